"""A kind of contract for import-linter: what a package may import, and nothing else.

A list of what is forbidden lets through whatever comes later.
"""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class Allowed(Contract):
    """importers: packages, each with all that is in it. allowed: what they may import from outside
    of themselves, by its package; the standard library too, unless `standard_library` is false.
    exactly: packages, without what is in them. besides: single imports, `IMPORTER -> IMPORTED`."""

    type_name = "allowed"

    importers = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField())
    exactly = fields.ListField(subfield=fields.StringField(), required=False, default=[])
    besides = fields.ListField(subfield=fields.StringField(), required=False, default=[])
    standard_library = fields.BooleanField(required=False, default=True)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found = {
            f"{importer} -> {imported}"
            for package in self.importers
            for importer in {package} | graph.find_descendants(package)
            for imported in graph.find_modules_directly_imported_by(importer)
            if not self._may(imported, package)
        }
        unknown = sorted(found.difference(self.besides))
        return ContractCheck(kept=not unknown, metadata={"found": unknown})

    def _may(self, imported: str, package: str) -> bool:
        if self.standard_library and imported.partition(".")[0] in sys.stdlib_module_names:
            return True
        if imported in self.exactly:
            return True
        known = [package, *self.importers, *self.allowed]
        return any(imported == it or imported.startswith(f"{it}.") for it in known)

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["found"]:
            output.print_error(f"{line} is not on the list of what is allowed")
