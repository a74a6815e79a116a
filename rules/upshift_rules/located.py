"""YAML text → a pydantic model, with every fault at once, each as `FILE:LINE:COLUMN: message`.

What belongs here: reading documents of any kind. What the rules mean is in `document`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator
from pydantic_core import ErrorDetails, PydanticCustomError

from .nodes import Path, Place, Tree, YamlError, read_yaml
from .text import nearest, show


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to tell the author of a file."""

    filename: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}:{self.column}: {self.message}"


class DocumentError(ValueError):
    """A file that cannot be used. `problems` has every fault, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class Section(BaseModel):
    """Base of all that a document is made of: frozen, and every unknown field is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Document(Section):
    """Base of what `read_located` reads."""

    @classmethod
    def across(cls, _data: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
        """Faults that lie between fields. `data` is what the file says, valid or not."""
        return ()


D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Located(Generic[D]):
    """A document, and where each of its values stands."""

    document: D
    filename: str
    tree: Tree

    def problem(self, path: Path, message: str) -> Problem:
        return _problem(self.filename, self.tree, path, message)


def read_located(text: str | bytes, filename: str, model: type[D]) -> Located[D]:
    """Read `text` as a `model`. Raise `DocumentError` with every fault; `filename` is its name."""
    try:
        tree = read_yaml(text)
    except YamlError as error:
        place = error.place
        problem = Problem(filename, place.line, place.column, error.message)
        raise DocumentError([problem]) from error
    problems = [
        Problem(filename, place.line, place.column, f"{path[-1]} is given a second time; keep one")
        for path, place in tree.twice
    ]
    document = None
    try:
        document = model.model_validate(tree.value)
    except ValidationError as error:
        problems += [_from_pydantic(filename, tree, model, it) for it in error.errors()]
    if isinstance(tree.value, dict):
        problems += [
            _problem(filename, tree, path, message) for path, message in model.across(tree.value)
        ]
    if problems or document is None:
        raise DocumentError(problems)
    return Located(document, filename, tree)


def must_be(right: str) -> WrapValidator:
    """Say what a value of the annotated type must be, whatever is wrong with it."""

    def check(value: Any, handler: Any) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise PydanticCustomError(
                "must_be", "must be {right}, got {got}", {"right": right, "got": show(value)}
            ) from error

    return WrapValidator(check)


def _problem(filename: str, tree: Tree, path: Path, message: str) -> Problem:
    """A problem at the value at `path`, or at what encloses it when it is not there."""
    while path and path not in tree.values:
        path = path[:-1]
    place = tree.values.get(path, Place(1, 1))
    return Problem(filename, place.line, place.column, message)


_RIGHT = {
    "string_type": "text; put it in quotes",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
}


def _from_pydantic(
    filename: str, tree: Tree, model: type[BaseModel], error: ErrorDetails
) -> Problem:
    path, context, kind = error["loc"], error.get("ctx", {}), error["type"]
    name = _name(path)
    if kind == "extra_forbidden":
        place = tree.keys[path]
        message = f"unknown field {show(name)}{_instead(name, _model_at(model, path[:-1]))}"
        return Problem(filename, place.line, place.column, message)
    if kind == "missing":
        message = f"{name} is missing{_example(_model_at(model, path[:-1]), name)}"
    elif kind == "literal_error":
        expected = str(context["expected"]).replace("'", '"')
        message = f"{name} must be {expected}, got {show(error['input'])}"
    elif kind in _RIGHT:
        message = f"{name} must be {_RIGHT[kind]}, got {show(error['input'])}"
    elif kind in ("too_short", "string_too_short") and context["min_length"] == 1:
        message = f"{name} must not be empty"
    elif kind == "value_error":
        message = f"{name} {context['error']}"
    elif kind == "must_be":
        message = f"{name} {error['msg']}"
    else:
        text = error["msg"][:1].lower() + error["msg"][1:]
        message = f"{name}: {text}, got {show(error['input'])}"
    return _problem(filename, tree, path, message)


def _name(path: Path) -> str:
    """What stands at `path`, in words: `frequency`, `entry 2 of match`."""
    match path:
        case ():
            return "the document"
        case (*_, int(index)):
            return f"entry {index + 1} of {_name(path[:-1])}"
        case _:
            return str(path[-1])


def _instead(name: str, model: type[BaseModel]) -> str:
    meant = nearest(name, model.model_fields)
    if meant:
        return f"; did you mean {show(meant)}?"
    return f"; known here: {', '.join(model.model_fields)}"


def _example(model: type[BaseModel], name: str) -> str:
    examples = model.model_fields[name].examples if name in model.model_fields else None
    return f"; for example {name}: {examples[0]}" if examples else ""


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model that describes what stands at `path`."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            inner = next(_models(model.model_fields[part].annotation), None)
            model = inner or model
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
