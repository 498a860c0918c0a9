"""Tree → typed tree: names, imports, params, definitions, types, levels and index domains."""

from asrppl.check.checker import Checked, check_file, type_program
from asrppl.check.rules import RuleInfo

__all__ = ["Checked", "RuleInfo", "check_file", "type_program"]
