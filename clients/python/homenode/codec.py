"""Dataclasses as JSON and back: `page_size` is `pageSize` in a file."""

import dataclasses
import json
import typing
from typing import Any, Dict, Type, TypeVar, Union

T = TypeVar("T")

#: Metadata of a field that says null where it is None; others are left out then.
NULLABLE = {"nullable": True}


def camel(name: str) -> str:
    """`page_size` as `pageSize`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries, as they are in a file. All else stays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members: Dict[str, Any] = {}
        for field in dataclasses.fields(value):
            member = getattr(value, field.name)
            if member is not None or field.metadata.get("nullable"):
                members[camel(field.name)] = plain(member)
        return members
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def dumps(value: Any) -> str:
    """JSON text of a dataclass, or of what json.dumps takes. `NaN` and `Infinity` are no JSON: the planner says where they are."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def parsed(kind: Any, value: Any) -> Any:
    """A value of a file as the type that a field has."""
    origin = typing.get_origin(kind)
    if origin is Union:
        options = [option for option in typing.get_args(kind) if option is not type(None)]
        if value is None:
            return None
        for option in options:
            if fits(option, value):
                return parsed(option, value)
        return value
    if origin is list:
        (item,) = typing.get_args(kind)
        return [parsed(item, one) for one in value]
    if dataclasses.is_dataclass(kind):
        return from_plain(kind, value)
    return float(value) if kind is float else value


def fits(kind: Any, value: Any) -> bool:
    """Whether a value of a file is meant to be of this type."""
    if dataclasses.is_dataclass(kind):
        return isinstance(value, dict)
    origin = typing.get_origin(kind)
    if origin is list:
        return isinstance(value, list)
    return isinstance(value, {float: (int, float)}.get(kind, origin or kind))


def from_plain(kind: Type[T], value: Dict[str, Any]) -> T:
    """A dataclass of a dictionary. Names that it has no field for are left out: a newer library may say more."""
    hints = typing.get_type_hints(kind)
    known = {camel(field.name): field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{known[name]: parsed(hints[known[name]], item) for name, item in value.items() if name in known})
