"""Two batches interleaved and split again; on several devices, without moving anything."""

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from haqagen_jax.ops.pairing import deinterleave, interleave

A, B = np.random.default_rng(0).random((2, 8, 3, 5), np.float32)


def test_examples_are_interleaved_and_split_again():
    both = interleave(jax.numpy.asarray(A), jax.numpy.asarray(B))
    np.testing.assert_array_equal(both[4], A[2])
    np.testing.assert_array_equal(both[5], B[2])
    for ours, theirs in zip(deinterleave(both), (A, B), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_no_device_needs_anothers_examples():
    mesh = Mesh(np.asarray(jax.devices()[:4]), ("data",))
    split = NamedSharding(mesh, PartitionSpec("data"))
    a, b = (jax.device_put(x, split) for x in (A, B))

    def there_and_back(a, b):
        return deinterleave(jax.numpy.sin(interleave(a, b)))

    compiled = jax.jit(there_and_back, out_shardings=split).lower(a, b).compile().as_text()
    assert compiled is not None
    for collective in ("all-to-all", "all-gather", "collective-permute"):
        assert collective not in compiled
