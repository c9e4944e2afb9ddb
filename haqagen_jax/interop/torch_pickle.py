"""A pickle of tensors or arrays, read as data: nothing is imported, nothing is executed.

The standard library parses the opcodes of a pickle; what they do is done here, for those that data
needs. The standard unpickler could be kept to the same few names, yet a small file can make it
reserve all the memory, or crash it with keys that are nested too deeply.
"""

import io
import pickletools
from collections.abc import Mapping
from typing import Any

from haqagen_jax.errors import InputError
from haqagen_jax.interop import torch_objects as objects

# Those of protocol 0 that later ones do without are left out: it cannot hold a storage.
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT")
_TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_BYTES = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8")
_PYTHON_2_TEXTS = ("SHORT_BINSTRING", "BINSTRING")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ITEMS = ("TUPLE", "APPENDS", "SETITEMS")  # take all above the mark


def load(
    file: io.BytesIO | io.BufferedReader,
    allowed: Mapping[tuple[str, str], Any] = objects.ALLOWED,
) -> tuple[Any, dict[str, objects.Storage]]:
    """Read one pickle.

    Args:
      file: at the start of the pickle; behind its end afterwards.
      allowed: what each name, of a module and within it, stands for; others are refused.

    Returns:
      Dicts, lists, tuples, texts, numbers, and what `allowed` makes, by default `Tensor` and
      `Parameter`; the storages by key.

    Raises:
      InputError: a name or an opcode that is not allowed, or a tensor that is none.
      Exception: of any kind, for a damaged pickle.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}
    storages: dict[str, objects.Storage] = {}
    for opcode, argument, _place in pickletools.genops(file):
        name, items = opcode.name, []
        if name in _ITEMS:
            start = marks.pop()
            items = stack[start:]
            del stack[start:]
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MARK":
                marks.append(len(stack))
            case _ if name in _NUMBERS or name in _TEXTS or name in _BYTES:
                stack.append(argument)
            case _ if name in _PYTHON_2_TEXTS:
                stack.append(str(argument).encode("latin-1").decode("utf-8"))
            case _ if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case _ if name in _TUPLES:
                items = stack[-_TUPLES[name] :]
                stack[-_TUPLES[name] :] = [tuple(items)]
            case "TUPLE":
                stack.append(tuple(items))
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "APPEND":
                value = stack.pop()
                list.append(stack[-1], value)
            case "APPENDS":
                list.extend(stack[-1], items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                objects.filled(stack[-1], [key, value])
            case "SETITEMS":
                objects.filled(stack[-1], items)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                module, _, attribute = str(argument).partition(" ")
                stack.append(objects.named(module, attribute, allowed))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(objects.named(module, attribute, allowed))
            case "REDUCE" | "NEWOBJ":
                arguments, function = stack.pop(), stack.pop()
                stack.append(objects.called(function, arguments))
            case "BUILD":
                state = stack.pop()
                objects.set_state(stack[-1], state)
            case "BINPERSID":
                found = objects.storage(stack.pop())
                if storages.setdefault(found.key, found) != found:
                    raise InputError(f"storage {objects.shown(found.key)} is described twice")
                stack.append(found)
            case _:
                raise InputError(f"has the pickle opcode {name}, which no checkpoint needs")
    (tree,) = stack
    return tree, storages
