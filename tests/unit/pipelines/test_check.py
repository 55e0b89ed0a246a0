"""What the fields of a spec mean together."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pipelines.specs import load, spec, task

from tidemill.base.errors import InvalidInput
from tidemill.pipelines import plan


def refused(whole: dict[str, Any]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        load(whole)
    return caught.value


def test_an_unknown_component_is_named_with_the_nearest() -> None:
    whole = spec()
    task(whole, "make")["componentRef"]["name"] = "comp-mak"
    problem = refused(whole)
    assert problem.message == "there is no component 'comp-mak'"
    assert problem.remedy == "did you mean 'comp-make'?"
    assert problem.place == "small.json: root.dag.tasks.make.componentRef.name"


def test_an_unknown_producer_is_named() -> None:
    whole = spec()
    task(whole, "use")["inputs"]["artifacts"]["table"]["taskOutputArtifact"]["producerTask"] = "mkae"
    assert "the task 'mkae', which is not there" in refused(whole).message
    whole = spec()
    task(whole, "use")["dependentTasks"] = ["nobody"]
    assert "the task 'nobody', which is not there" in refused(whole).message


def test_an_unknown_output_of_a_producer_is_named() -> None:
    whole = spec()
    task(whole, "use")["inputs"]["parameters"]["number"]["taskOutputParameter"]["outputParameterKey"] = "numbr"
    problem = refused(whole)
    assert problem.message == "the task 'make' has no output parameter 'numbr'"
    assert problem.remedy == "did you mean 'number'?"


def test_an_unknown_input_of_the_pipeline_is_named() -> None:
    whole = spec()
    task(whole, "make")["inputs"]["parameters"]["count"] = {"componentInputParameter": "cout"}
    problem = refused(whole)
    assert problem.message == "the pipeline or component around it has no input parameter 'cout'"
    assert problem.remedy == "did you mean 'count'?"


def test_a_cycle_is_named_in_order() -> None:
    whole = spec()
    task(whole, "make")["dependentTasks"] = ["use"]
    problem = refused(whole)
    assert problem.message == "the tasks wait for each other: make → use → make"
    whole = spec()
    task(whole, "make")["dependentTasks"] = ["make"]
    assert refused(whole).message.endswith("make → make")


def test_a_component_that_contains_itself_is_refused() -> None:
    whole = spec()
    whole["components"]["comp-loop"] = {
        "dag": {"tasks": {"again": {"componentRef": {"name": "comp-loop"}}}},
    }
    assert refused(whole).message == "the components contain themselves: comp-loop → comp-loop"


def test_a_missing_required_input_is_named() -> None:
    whole = spec()
    del task(whole, "make")["inputs"]
    problem = refused(whole)
    assert problem.message == "the parameter 'count' of comp-make is required and missing"
    whole = spec()
    del task(whole, "use")["inputs"]["artifacts"]
    assert refused(whole).message == "the artifact 'table' of comp-use is required and missing"


@pytest.mark.parametrize("key", ["isOptional", "defaultValue"])
def test_an_optional_input_or_one_with_a_default_may_be_left_out(key: str) -> None:
    whole = spec()
    del task(whole, "make")["inputs"]
    count = whole["components"]["comp-make"]["inputDefinitions"]["parameters"]["count"]
    count[key] = True if key == "isOptional" else 4
    assert load(whole).name == "small"


def test_types_that_do_not_fit_are_refused() -> None:
    whole = spec()
    whole["components"]["comp-use"]["inputDefinitions"]["parameters"]["number"]["parameterType"] = "STRING"
    assert refused(whole).message == "takes a STRING, and gets a NUMBER_INTEGER"
    whole = spec()
    task(whole, "make")["inputs"]["parameters"]["count"] = {"runtimeValue": {"constant": "three"}}
    assert refused(whole).message == "should be a whole number, and is the text 'three'"
    whole = spec()
    table = whole["components"]["comp-use"]["inputDefinitions"]["artifacts"]["table"]
    table["artifactType"]["schemaTitle"] = "system.Model"
    assert refused(whole).message == "takes a system.Model, and gets a system.Dataset"
    table["artifactType"]["schemaTitle"] = "system.Artifact"
    assert load(whole).name == "small"
    table["isArtifactList"] = True
    assert refused(whole).message == "takes a list of system.Artifact, and gets one"


def test_a_constant_is_taken_with_the_type_of_the_input() -> None:
    whole = spec()
    task(whole, "make")["inputs"]["parameters"]["count"] = {"runtimeValue": {"constant": 3.0}}
    dag = load(whole).root.dag
    assert dag is not None
    assert repr(dag.tasks["make"].parameters["count"]) == "Constant(value=3, selector='')"


def test_an_input_that_the_component_does_not_declare_is_for_placeholders() -> None:
    whole = spec()
    task(whole, "make")["inputs"]["parameters"]["pipelinechannel--x"] = {"componentInputParameter": "count"}
    dag = load(whole).root.dag
    assert dag is not None
    assert "pipelinechannel--x" in dag.tasks["make"].parameters


def test_a_condition_that_is_no_cel_or_reads_an_unknown_input_is_refused() -> None:
    whole = spec()
    task(whole, "use")["triggerPolicy"] = {"condition": "inputs.parameter_values['number'] >"}
    problem = refused(whole)
    assert problem.message.startswith("not a CEL expression: column")
    assert problem.place == "small.json: root.dag.tasks.use.triggerPolicy.condition"
    task(whole, "use")["triggerPolicy"] = {"condition": "inputs.parameter_values['numbr'] > 1"}
    problem = refused(whole)
    assert problem.message == "the task has no input parameter 'numbr'"
    assert problem.remedy == "did you mean 'number'?"


def test_an_iterator_needs_its_inputs() -> None:
    whole = spec()
    iterator: dict[str, Any] = {"itemInput": "cuont", "items": {"raw": "[1, 2]"}}
    task(whole, "make")["parameterIterator"] = iterator
    assert refused(whole).message == "comp-make has no input 'cuont'"
    iterator["itemInput"] = "count"
    assert load(whole).name == "small"
    iterator["items"] = {"raw": '{"a": 1}'}
    assert refused(whole).message == "should be the JSON of a list"
    iterator["items"] = {"raw": "[1,"}
    assert refused(whole).message.startswith("not JSON")
    iterator["items"] = {"inputParameter": "numbers"}
    assert refused(whole).message == "the task has no input 'numbers'"
    task(whole, "make")["iteratorPolicy"] = {"parallelismLimit": -1}
    assert "0 (no limit) or more" in refused(whole).message


def test_outputs_need_a_declaration_and_a_maker() -> None:
    whole = spec()
    selector = {"valueFromParameter": {"producerSubtask": "make", "outputParameterKey": "number"}}
    whole["root"]["dag"]["outputs"] = {"parameters": {"answer": selector}}
    assert refused(whole).message == "the component declares no output parameter 'answer'"
    whole["root"]["outputDefinitions"] = {"parameters": {"answer": {"parameterType": "NUMBER_INTEGER"}}}
    assert load(whole).root.outputs.parameters["answer"].type == "NUMBER_INTEGER"
    whole["root"]["dag"]["outputs"] = {}
    assert refused(whole).message == "the output parameter 'answer' is declared, and no task makes it"
    whole["root"]["dag"]["outputs"] = {"parameters": {"answer": {"valueFromOneof": {"parameterSelectors": []}}}}
    assert refused(whole).message == "names no task that makes it"


def test_a_root_without_a_dag_is_refused() -> None:
    whole = spec()
    whole["root"] = {"executorLabel": "exec-make"}
    assert refused(whole).message == "has no DAG"


def test_the_plan_puts_each_task_behind_what_it_needs() -> None:
    whole = spec()
    whole["root"]["dag"]["tasks"]["after"] = {
        "componentRef": {"name": "comp-make"},
        "inputs": {"parameters": {"count": {"runtimeValue": {"constant": 1}}}},
        "dependentTasks": ["use"],
    }
    made = plan(load(whole))
    assert made.levels == (("make",), ("use",), ("after",))
    assert made.order == ("make", "use", "after")
    assert made.nested == {}


def nested(depth: int) -> dict[str, Any]:
    """A component that uses the one below it twice, and so on."""
    whole = spec()
    for level in range(depth):
        below = f"comp-{level - 1}" if level else "comp-leaf"
        dag = {"tasks": {name: {"componentRef": {"name": below}} for name in ("a", "b")}}
        whole["components"][f"comp-{level}"] = {"dag": dag}
    whole["components"]["comp-leaf"] = {"executorLabel": "exec-use"}
    whole["root"] = {"dag": {"tasks": {"top": {"componentRef": {"name": f"comp-{depth - 1}"}}}}}
    return whole


def test_deep_nesting_is_planned_without_doubling_and_refused_beyond_the_limit() -> None:
    assert plan(load(nested(90))).nested["top"].nested["a"].levels == (("a", "b"),)
    assert "nested deeper than 100" in refused(nested(120)).message


def test_embedded_platform_specs_count_for_their_executors() -> None:
    whole = spec()
    whole["components"]["comp-make"]["singlePlatformSpecs"] = [
        {
            "platform": "kubernetes",
            "deploymentSpec": {"executors": {"exec-make": {"activeDeadlineSeconds": "7"}}},
        }
    ]
    executor = load(whole).components["comp-make"].executor
    assert "active_deadline_seconds=7" in repr(executor)
