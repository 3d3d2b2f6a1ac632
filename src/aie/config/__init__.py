"""What people write: the files of a workspace as typed values, and every mistake in them with its place and mending.

`load_workspace` reads a folder; `Site` is what a layer is given to compile a step; expressions, templates and types
are checked here once and run the same everywhere.
"""

from aie.config.budgets import BudgetSpec, BudgetsSpec, OnExhausted, Period
from aie.config.cases import Case, dataset_files, read_dataset
from aie.config.catalog import (
    ChatModel,
    ChosenThreshold,
    Constraints,
    Entry,
    FeatureSpec,
    LearntHere,
    ModelEntry,
    ModelsSpec,
    Retirement,
    Route,
    RouteSpec,
    TabularClassifier,
    TextClassifier,
    day_start,
)
from aie.config.composing import Composed
from aie.config.conformity import Mismatch, mismatches
from aie.config.datasets import DatasetSpec
from aie.config.editor_schemas import json_schemas
from aie.config.expressions import Checked, Expression, Finding, check_expression, expression, references
from aie.config.extractors import By, ExtractorSpec, PromptSpec
from aie.config.fields import FieldSpec, FieldType, value_type
from aie.config.handlers import Handler
from aie.config.labelling import GivenLabel, append_labels, read_labels
from aie.config.lookups import HttpLookup, Lookup, SqlLookup, TableLookup
from aie.config.network import NetworkSpec
from aie.config.problems import Mark, Problems, apply, did_you_mean, nearest
from aie.config.recipes import DiversifySpec, PackSpec, QuerySpec, RankSpec, RecipeSpec, SelectSpec
from aie.config.rules import Rule
from aie.config.schemas import SchemaError, read_schema, schema_of, type_of
from aie.config.settings import Desk, FileReceiver, HttpReceiver, Receiver, Settings
from aie.config.site import Site, Written
from aie.config.source import Node, Source, parse_yaml
from aie.config.steps import (
    CONTEXTS,
    DOCUMENTS,
    MERGED,
    ActStep,
    CheckKind,
    CheckStep,
    ContextStep,
    ExtractStep,
    LookupStep,
    MapSpec,
    MapStep,
    ModelStep,
    ReviewStep,
    Step,
    StepSpec,
)
from aie.config.templates import Template, check_template
from aie.config.trained import CalibrationSpec, LearnsSpec, TrainedSpec
from aie.config.types import (
    AnyType,
    BoolType,
    DateType,
    DecimalType,
    DocumentType,
    IntType,
    ListType,
    MoneyType,
    NullableType,
    NullType,
    ObjectType,
    TextType,
    Type,
    fits,
    nullable,
)
from aie.config.workflow import LimitsSpec, Targets, WorkflowSpec
from aie.config.workspace import Workspace, load_models, load_settings, load_workspace, scan_workspace

__all__ = [
    "CONTEXTS",
    "DOCUMENTS",
    "MERGED",
    "ActStep",
    "AnyType",
    "BoolType",
    "BudgetSpec",
    "BudgetsSpec",
    "By",
    "CalibrationSpec",
    "Case",
    "ChatModel",
    "CheckKind",
    "CheckStep",
    "Checked",
    "ChosenThreshold",
    "Composed",
    "Constraints",
    "ContextStep",
    "DatasetSpec",
    "DateType",
    "DecimalType",
    "Desk",
    "DiversifySpec",
    "DocumentType",
    "Entry",
    "Expression",
    "ExtractStep",
    "ExtractorSpec",
    "FeatureSpec",
    "FieldSpec",
    "FieldType",
    "FileReceiver",
    "Finding",
    "GivenLabel",
    "Handler",
    "HttpLookup",
    "HttpReceiver",
    "IntType",
    "LearnsSpec",
    "LearntHere",
    "LimitsSpec",
    "ListType",
    "Lookup",
    "LookupStep",
    "MapSpec",
    "MapStep",
    "Mark",
    "Mismatch",
    "ModelEntry",
    "ModelStep",
    "ModelsSpec",
    "MoneyType",
    "NetworkSpec",
    "Node",
    "NullType",
    "NullableType",
    "ObjectType",
    "OnExhausted",
    "PackSpec",
    "Period",
    "Problems",
    "PromptSpec",
    "QuerySpec",
    "RankSpec",
    "Receiver",
    "RecipeSpec",
    "Retirement",
    "ReviewStep",
    "Route",
    "RouteSpec",
    "Rule",
    "SchemaError",
    "SelectSpec",
    "Settings",
    "Site",
    "Source",
    "SqlLookup",
    "Step",
    "StepSpec",
    "TableLookup",
    "TabularClassifier",
    "Targets",
    "Template",
    "TextClassifier",
    "TextType",
    "TrainedSpec",
    "Type",
    "WorkflowSpec",
    "Workspace",
    "Written",
    "append_labels",
    "apply",
    "check_expression",
    "check_template",
    "dataset_files",
    "day_start",
    "did_you_mean",
    "expression",
    "fits",
    "json_schemas",
    "load_models",
    "load_settings",
    "load_workspace",
    "mismatches",
    "nearest",
    "nullable",
    "parse_yaml",
    "read_dataset",
    "read_labels",
    "read_schema",
    "references",
    "scan_workspace",
    "schema_of",
    "type_of",
    "value_type",
]
