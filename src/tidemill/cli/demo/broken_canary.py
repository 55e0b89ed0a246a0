"""The fourth beat: a model that errs on some rows passes its checks and a person; the canary's guard takes it back."""

from __future__ import annotations

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.callers import AT_A_TIME, callers_of
from tidemill.cli.demo.cars import later_cars
from tidemill.cli.demo.go_live import APPROVER
from tidemill.cli.demo.notebook import Notebook
from tidemill.cli.demo.shell import Shell

UNKNOWN_YEAR = 1981
"""No car of the data is of it, so that no check has such a row; those who ask do not know that."""
EVERY = 5
IMPORTS = ("import PolynomialFeatures,", "import FunctionTransformer, PolynomialFeatures,")
"""A feature more, looked up in a table that has no row for some years."""
TRAINING = """\
usual = y_train.groupby(X_train["Year"]).mean().to_dict()


def with_usual(table):
    return table.assign(usual=[usual[year] for year in table["Year"]])


model = make_pipeline(
    FunctionTransformer(with_usual),
    ColumnTransformer([("numbers", StandardScaler(), [*X_train.columns, "usual"])]),
    PolynomialFeatures(degree=degree, include_bias=False),
    Ridge(alpha=alpha),
)
model.fit(X_train, y_train)"""


def broken_in_a_canary(shell: Shell, _port: int) -> Told:
    """The guard takes the requests back; nobody outside of the canary's share sees an error."""
    notebook = Notebook(shell.folder / "pipeline.ipynb")
    notebook.replace("imports", *IMPORTS)
    notebook.rewrite("step:train", TRAINING)
    shell.git("commit", "--quiet", "-am", "What is usual in a year is a feature")
    run = shell.json("run")
    opened = shell.json("review", "open", run["run_id"])
    if opened["checks_state"] != "passed":
        raise RunFailed(f"the checks {opened['checks_state']}", place=f"review {opened['id']}")
    _, cars = later_cars(shell.folder)
    asked = [car.of_year(UNKNOWN_YEAR) if place % EVERY == 0 else car for place, car in enumerate(cars)]
    callers = callers_of(shell)
    with callers.asking(asked):
        decided = shell.json("review", "approve", opened["id"], token=shell.seen["approver"])
        rollout = shell.until("the end of the canary", lambda: shell.ended_rollout(decided["model_version_id"]))
        answering = len(callers.answers)
        shell.until("more requests", lambda: True if len(callers.answers) > answering + len(cars) else None)
    inside, outside = rollout["canary"], rollout["stable"]
    unanswered = sum(not answer.status for answer in callers.answers)
    # what was on its way when the canary ended may still be its own
    afterwards = sum(answer.status >= 500 for answer in callers.answers[answering + AT_A_TIME :])
    elsewhere = outside["failed"] + unanswered + afterwards
    if rollout["state"] != "rolled_back" or elsewhere:
        raise RunFailed(f"it is {rollout['state']}; {elsewhere} requests failed outside", place="rollout")
    return Told(
        happened=(
            f"a broken model: {decided['model_version']} knows no cars of {UNKNOWN_YEAR}; its checks had none, and "
            f"{APPROVER} approved it. At {rollout['percent']} % it failed {inside['failed']} of "
            f"{inside['requests']} requests: rolled back by the guard. Failed requests of the other "
            f"{len(callers.answers) - inside['requests']}: {elsewhere}"
        ),
        look="tidemill service show fuel; tidemill review show " + opened["id"][-12:],
        page="/services/fuel",
    )
