"""The `haqagen` command: words in, one call, a status out."""
