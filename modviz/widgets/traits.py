"""Traits of the explorer that traitlets does not have."""

from __future__ import annotations

from typing import Any

import traitlets

from modviz.core.analysis import Analysis


class AnalysisOrNone(traitlets.TraitType[Any, Any]):
    """Unlike traitlets' own optional traits, None is validated too."""

    def validate(self, obj: Any, value: Any) -> Any:  # noqa: ARG002  (as the base class has it)
        """Refuse anything else."""
        if value is not None and not isinstance(value, Analysis):
            raise traitlets.TraitError(f"analysis is {type(value).__name__}; expected an Analysis")
        return value
