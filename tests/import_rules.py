"""An import contract that the linter lacks: a room may use the named outside packages and no other.

A list of forbidden packages forgets the next one; a list of allowed ones does not.
"""

from __future__ import annotations

import sys
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class AllowedContract(Contract):
    """Each direct import of an outside package is of the standard library or of an allowed package."""

    type_name = "allowed"

    source_modules = fields.ListField(subfield=fields.StringField())
    allowed_modules = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        rooms = set(self.session_options["root_packages"])
        # A field turns into the list it describes when the linter reads the contract.
        sources = cast("list[str]", self.source_modules)
        allowed = rooms | set(cast("list[str]", self.allowed_modules)) | sys.stdlib_module_names
        strangers = [
            (importer, imported)
            for source in sources
            for importer in sorted({source} | graph.find_descendants(source))
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.partition(".")[0] not in allowed
        ]
        return ContractCheck(kept=not strangers, metadata={"strangers": strangers})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["strangers"]:
            output.print_error(f"{importer} is not allowed to import {imported}")
