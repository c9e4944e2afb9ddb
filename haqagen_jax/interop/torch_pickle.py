"""A pickle of tensors or arrays, read as data: nothing is imported, nothing is executed.

The standard library parses the opcodes of a pickle; what they do is done here, for those that data
needs. The standard unpickler could be kept to the same few names, yet a small file can make it
reserve all the memory, or crash it with keys that are nested too deeply.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from haqagen_jax.errors import InputError
from haqagen_jax.interop import torch_objects as objects


def load(
    file: io.BytesIO | io.BufferedReader,
    allowed: Mapping[tuple[str, str], Any] = objects.ALLOWED,
    *,
    opaque: bool = False,
) -> tuple[Any, dict[str, objects.Storage]]:
    """Read one pickle.

    Args:
        file: At the start of the pickle; behind its end afterwards.
        allowed: What each name, of a module and within it, stands for.
        opaque: Whether any other name stands for an `Opaque`; otherwise it is refused.

    Returns:
        Dicts, lists, tuples, texts, numbers, and what `allowed` makes, by default `Tensor` and
        `Parameter`; the storages by key.

    Raises:
        InputError: A name or an opcode that is not allowed, or a tensor that is none.
        Exception: Of any kind, for a damaged pickle.
    """
    machine = _Machine(allowed, opaque)
    for opcode, argument, _position in pickletools.genops(file):
        execute = _OPCODES.get(opcode.name)
        if execute is None:
            raise InputError(f"has the pickle opcode {opcode.name}, which no checkpoint needs")
        execute(machine, argument)
    (tree,) = machine.stack
    return tree, machine.storages


class _Machine:
    """The stack machine whose program a pickle is; one method an opcode or a kind of opcodes.

    Attributes:
        stack: Values under construction; at the end, the pickled object alone.
        storages: Those that the pickle describes, by key.
    """

    def __init__(self, allowed: Mapping[tuple[str, str], Any], opaque: bool) -> None:
        self.stack: list[Any] = []
        self.storages: dict[str, objects.Storage] = {}
        self._marks: list[int] = []
        self._memo: dict[Any, Any] = {}
        self._allowed = allowed
        self._opaque = opaque

    def nothing(self, _argument: Any) -> None:
        """PROTO, FRAME and STOP leave the stack as it is."""

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_text_of_python_2(self, argument: Any) -> None:
        self.push(str(argument).encode("latin-1").decode("utf-8"))

    def push_list(self, _argument: Any) -> None:
        self.push([])

    def push_dict(self, _argument: Any) -> None:
        self.push({})

    def push_tuple(self, _argument: Any) -> None:
        self.push(tuple(self._pop_above_mark()))

    def mark(self, _argument: Any) -> None:
        self._marks.append(len(self.stack))

    def _pop_above_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    # `list.append` and `list.extend` refuse every other object that the pickle has made.

    def append(self, _argument: Any) -> None:
        value = self.stack.pop()
        if not isinstance(self.stack[-1], objects.Opaque):
            list.append(self.stack[-1], value)

    def extend(self, _argument: Any) -> None:
        items = self._pop_above_mark()
        if not isinstance(self.stack[-1], objects.Opaque):
            list.extend(self.stack[-1], items)

    def set_item(self, _argument: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        objects.filled(self.stack[-1], [key, value])

    def set_items(self, _argument: Any) -> None:
        items = self._pop_above_mark()
        objects.filled(self.stack[-1], items)

    def memoize(self, _argument: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def put(self, key: Any) -> None:
        self._memo[key] = self.stack[-1]

    def get(self, key: Any) -> None:
        self.push(self._memo[key])

    def push_named(self, argument: Any) -> None:
        module, _, attribute = str(argument).partition(" ")
        self.push(objects.named(module, attribute, self._allowed, opaque=self._opaque))

    def push_named_on_stack(self, _argument: Any) -> None:
        attribute, module = self.stack.pop(), self.stack.pop()
        self.push(objects.named(module, attribute, self._allowed, opaque=self._opaque))

    def call(self, _argument: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.push(objects.called(function, arguments))

    def set_state(self, _argument: Any) -> None:
        state = self.stack.pop()
        objects.set_state(self.stack[-1], state)

    def push_storage(self, _argument: Any) -> None:
        storage = objects.storage(self.stack.pop())
        if isinstance(storage, objects.Opaque):
            self.push(storage)
            return
        if self.storages.setdefault(storage.key, storage) != storage:
            raise InputError(f"storage {objects.shown(storage.key)} is described twice")
        self.push(storage)


_Execute = Callable[[_Machine, Any], None]


def _constant(value: Any) -> _Execute:
    return lambda machine, _argument: machine.push(value)


def _tuple_of(count: int) -> _Execute:
    def execute(machine: _Machine, _argument: Any) -> None:
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return execute


# All opcodes that are executed; any other is refused. Those of protocol 0 that later protocols do
# without are left out, because protocol 0 cannot hold a storage.
_OPCODES: dict[str, _Execute] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _Machine.nothing),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"), _Machine.push),
    **dict.fromkeys(("LONG4", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"), _Machine.push),
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), _Machine.push_text_of_python_2),
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "EMPTY_TUPLE": _constant(()),
    "EMPTY_LIST": _Machine.push_list,
    "EMPTY_DICT": _Machine.push_dict,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": _Machine.push_tuple,
    "MARK": _Machine.mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": _Machine.push_named,
    "STACK_GLOBAL": _Machine.push_named_on_stack,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.call),
    "BUILD": _Machine.set_state,
    "BINPERSID": _Machine.push_storage,
}
