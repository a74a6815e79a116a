"""The JSON Schema of a document, for editors."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from .document import RuleDocument
from .located import Document


class _WithoutTitles(GenerateJsonSchema):
    """Editors show the key itself; `Max Duration` above it helps nobody."""

    def field_title_should_be_set(self, _schema: Any) -> bool:
        return False


def schema(model: type[Document] = RuleDocument) -> dict[str, Any]:
    """Return the JSON Schema of a document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema(
        schema_generator=_WithoutTitles
    )
