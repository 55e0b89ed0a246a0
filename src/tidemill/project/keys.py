"""The keys of `tidemill.toml`: one table that the loader, the JSON Schema and the scaffold read."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.project.key_kinds import NAME, OBJECT_NAME, OUTPUT, Field, Kind, Named, Node, Table
from tidemill.project.key_kinds import name as _name
from tidemill.project.key_kinds import output as _output
from tidemill.project.key_kinds import outputs as _outputs
from tidemill.project.key_kinds import text as _text
from tidemill.project.notify_keys import NOTIFY
from tidemill.project.rollout_keys import ROLLOUT, SPECIAL_ROLLOUT

PROJECT = Table(
    doc="What the project is.",
    required=True,
    keys={
        "name": _name("The name of the project; pipelines and runs are called after it.", required=True),
        "notebook": _text("The notebook that is compiled, relative to this file."),
        "pipeline": _text("A PipelineSpec instead of a notebook, relative to this file."),
        "requirements": Field(
            kind=Kind.TEXT_OR_TEXTS,
            doc="What the steps need installed: a list of requirements, or the name of a requirements file. "
            "Left out: what the notebook imports.",
        ),
        "python": Field(
            kind=Kind.TEXT, doc="The Python version of the steps.", pattern=r"3\.\d{1,2}(\.\d{1,2})?", shape="3.11"
        ),
        "experiment": _text("The experiment that its runs are grouped under."),
    },
)
DATA = Named(
    doc="Datasets of the project, versioned by DVC.",
    pattern=NAME,
    shape="letters, digits, dots, hyphens and underscores",
    each=Table(
        doc="One dataset.",
        keys={
            "path": _text("The file or folder, relative to this file.", required=True),
            "remote": _text("Where DVC pushes it: a folder or an address. Left out: a folder in the home."),
            "attribution": _text("Where the data comes from, and under which licence."),
        },
    ),
)
SPACE = Named(
    doc="The parameters that are searched.",
    required=True,
    each=Table(
        doc="The values that one parameter may take.",
        keys={
            "type": Field(
                kind=Kind.TEXT, doc="What its values are.", choices=("int", "float", "choice", "categorical")
            ),
            "low": Field(kind=Kind.NUMBER, doc="The smallest value."),
            "high": Field(kind=Kind.NUMBER, doc="The largest value."),
            "step": Field(kind=Kind.NUMBER, doc="The distance between values."),
            "log": Field(kind=Kind.BOOLEAN, doc="Spaced logarithmically."),
            "choices": Field(kind=Kind.LIST, doc="The only values, for the type choice."),
        },
    ),
)
TUNING = Table(
    doc="The search for the best parameters.",
    keys={
        "objective": Field(
            kind=Kind.TEXT,
            doc="The number that is searched for the best: task.metrics.NAME, or task.OUTPUT.",
            required=True,
            pattern=OUTPUT,
            shape="task.metrics.NAME or task.OUTPUT",
        ),
        "direction": Field(
            kind=Kind.TEXT, doc="Which way it is better.", required=True, choices=("minimize", "maximize")
        ),
        "trials": Field(kind=Kind.WHOLE, doc="How many runs are made.", minimum=1),
        "parallel": Field(kind=Kind.WHOLE, doc="How many of them at a time.", minimum=1),
        "seed": Field(kind=Kind.WHOLE, doc="Makes the choices repeatable.", minimum=0),
        "space": SPACE,
    },
)
COLUMN = Table(
    doc="What is known of a column.",
    keys={"unit": _text("The unit of its values, as the model takes them."), "description": _text("What it means.")},
)
MODEL = Table(
    doc="What of a run becomes a model version.",
    keys={
        "name": _name("The name under which versions are counted.", required=True),
        "output": _output("The trained model.", required=True),
        "sample": _output("A table of feature rows, for the signature and the smoke test.", required=True),
        "profile": _output("The table for the reference profile. Left out: the sample."),
        "target": _output("The true values of the sample's rows, for the comparison with the live model."),
        "columns": Named(doc="The columns that the model takes.", each=COLUMN),
        "prediction": COLUMN,
    },
)
GATE = Table(
    doc="What a candidate must reach to go live.",
    keys={
        "approvals": Field(kind=Kind.WHOLE, doc="How many people must approve.", minimum=0),
        "automatic": Field(
            kind=Kind.BOOLEAN,
            doc="Whether a version by a run of the approved pipeline version passes without a person when all checks "
            "pass. Left out: false.",
        ),
        "thresholds": Named(
            doc="Metrics and the interval that each must lie in.",
            each=Table(
                doc="The interval of one metric.",
                keys={
                    "min": Field(kind=Kind.NUMBER, doc="The smallest value that passes."),
                    "max": Field(kind=Kind.NUMBER, doc="The largest value that passes."),
                },
            ),
        ),
        "hygiene": Table(
            doc="Evaluation rows must stand neither among the training rows nor among the tuning rows.",
            keys={
                "evaluation": _outputs("Tables that the metrics come from."),
                "training": _outputs("Tables that the model learnt from."),
                "tuning": _outputs("Tables that the parameters were chosen by."),
                "max_overlap_rows": Field(kind=Kind.WHOLE, doc="How many equal rows are let pass.", minimum=0),
                "time": _text("The column of the time: evaluation rows are no older than the latest of the others."),
                "max_older_share": Field(
                    kind=Kind.NUMBER, doc="The share of them that may be older. Left out: 0.", minimum=0
                ),
            },
        ),
        "leak": Table(
            doc="No single feature says the target practically exactly.",
            keys={
                "rows": _outputs("The evaluation rows. Left out: the model's sample."),
                "target": _output("Their true values, one column. Left out: the model's target."),
                "limit": Field(
                    kind=Kind.NUMBER,
                    doc="How much of the target one feature may tell, up to 1. Left out: 0.999 of numbers, 0.95 of "
                    "labels.",
                    minimum=0,
                ),
                "allowed": Named(
                    doc="Columns that may.",
                    each=Table(
                        doc="One column.",
                        keys={"because": _text("The reason, which approvers read.", required=True)},
                    ),
                ),
            },
        ),
        "smoke": Table(
            doc="Limits of the packaged model in a fresh process.",
            keys={
                "max_latency_ms": Field(kind=Kind.NUMBER, doc="The median time of one prediction.", minimum=0),
                "max_memory_mb": Field(kind=Kind.NUMBER, doc="The memory of the process.", minimum=0),
                "relative_tolerance": Field(kind=Kind.NUMBER, doc="How far predictions may be off.", minimum=0),
                "timeout_seconds": Field(kind=Kind.NUMBER, doc="How long the test may take.", minimum=0),
            },
        ),
        "challenger": Table(
            doc="How a version is compared with the one that is live, on rows that neither has learnt from "
            "([gate.hygiene] says which those are).",
            keys={
                "rows": _outputs("The evaluation rows. Left out: the model's sample."),
                "target": _output("Their true values, one column. Left out: the model's target."),
                "metric": Field(
                    kind=Kind.TEXT,
                    doc="What is compared. Left out: mae for numbers, accuracy for labels.",
                    choices=("mae", "mse", "accuracy", "log_loss"),
                ),
                "must": Field(
                    kind=Kind.TEXT,
                    doc="What it takes. Left out: not be worse, which fails one that is surely worse.",
                    choices=("not be worse", "be better"),
                ),
                "margin": Field(kind=Kind.NUMBER, doc="How much larger the mean loss may be.", minimum=0),
                "min_rows": Field(kind=Kind.WHOLE, doc="How many rows it takes. Left out: 20.", minimum=1),
                "incomparable": Field(
                    kind=Kind.TEXT,
                    doc="What counts when the two cannot be compared. Left out: fail.",
                    choices=("fail", "pass"),
                ),
                "slices": Field(kind=Kind.TEXTS, doc="Columns by whose values they are compared, too."),
                "seed": Field(kind=Kind.WHOLE, doc="Makes the interval repeatable.", minimum=0),
            },
        ),
        "extra_checks": Field(kind=Kind.TEXTS, doc="Checks of plug-ins, by name."),
    },
)
ACCESS = Field(kind=Kind.TEXT, doc="Who may ask for predictions.", choices=("open", "token"))
SERVICE = Table(
    doc="The service that answers with the model.",
    keys={
        "name": _name("Its name, in its address.", required=True),
        "environment": _name("Where it serves. Left out: production."),
        "access": ACCESS,
        "timeout_seconds": Field(kind=Kind.NUMBER, doc="How long a prediction may take.", minimum=0),
        "title": _text("The title of its page."),
        "form": Named(
            doc="What its page asks for, by column, in this order.",
            ordered=True,
            each=Table(
                doc="One field of the page.",
                keys={
                    "label": _text("What stands beside it."),
                    "unit": _text("The unit that people type; the model gets its own."),
                    "example": Field(kind=Kind.ANY, doc="A value that is shown."),
                },
            ),
        ),
        "output": Table(
            doc="How its page shows the answer.",
            keys={"label": _text("What stands beside it."), "unit": _text("The unit that people read.")},
        ),
        "rollout": ROLLOUT,
    },
)
MONITOR = Table(
    doc="What is watched of the service, and from when on it is an alert. Left out: what stands here as usual.",
    keys={
        "window": _text("How long a window is: 90s, 15m, 1h, 7d. Usual: 1h."),
        "window_rows": Field(
            kind=Kind.WHOLE,
            doc="How many rows a window has, instead of a time; as many refused or failed requests end it, too.",
            minimum=1,
        ),
        "min_rows": Field(kind=Kind.WHOLE, doc="Fewer rows give no verdict. Usual: 50.", minimum=1),
        "slices": Field(kind=Kind.TEXTS, doc="Columns by whose values the errors are told apart."),
        "key": _text("A column that names a row in your own data; ground truth may come by it."),
        "feedback_is_truth": Field(kind=Kind.BOOLEAN, doc="Take corrected values of people for the truth."),
        "alerts": Field(
            kind=Kind.TEXTS,
            doc="What there are alerts about: drift, performance, quality, health. Usual: all.",
            pattern="drift|performance|quality|health",
            shape="drift, performance, quality or health",
        ),
        "for": Field(kind=Kind.WHOLE, doc="After how many bad windows in a row. Usual: 2.", minimum=1),
        "clear": Field(kind=Kind.WHOLE, doc="How many good windows end an alert. Usual: 2.", minimum=1),
        "drift": Table(
            doc="When a feature counts as drifted: far enough from the reference profile, and no chance.",
            keys={
                "statistic": _text("How far: psi, jensen_shannon, wasserstein, or a plug-in's. Usual: psi."),
                "threshold": Field(kind=Kind.NUMBER, doc="From where on. Usual: 0.2.", minimum=0),
                "significance": Field(
                    kind=Kind.NUMBER, doc="The chance of a false alarm over all features. Usual: 0.01.", minimum=0
                ),
                "extra_statistics": Field(kind=Kind.TEXTS, doc="Statistics of plug-ins, by name."),
            },
        ),
        "quality": Table(
            doc="When values count as wrong.",
            keys={
                "share": Field(
                    kind=Kind.NUMBER,
                    doc="The share of rows with missing values, values out of range or new categories. Usual: 0.05.",
                    minimum=0,
                ),
                "rejected": Field(kind=Kind.NUMBER, doc="The share of refused requests. Usual: 0.2.", minimum=0),
            },
        ),
        "performance": Table(
            doc="When predictions count as worse than at the approval, once ground truth has come.",
            keys={
                "task": Field(
                    kind=Kind.TEXT, doc="Left out: as the answers look.", choices=("regression", "classification")
                ),
                "metric": _text("mae, rmse, r2, accuracy, f1 or log_loss. Left out: what the version reports."),
                "baseline": _text("The metric of the version that it is held against. Left out: the same."),
                "factor": Field(kind=Kind.NUMBER, doc="How many times worse. Usual: 1.5.", minimum=1),
            },
        ),
        "health": Table(
            doc="When the service counts as ill.",
            keys={
                "error_rate": Field(kind=Kind.NUMBER, doc="The share of failed requests. Usual: 0.05.", minimum=0),
                "latency_p95_ms": Field(kind=Kind.NUMBER, doc="What 95 of 100 stay below. Usual: any.", minimum=0),
            },
        ),
    },
)
ENVIRONMENTS = Named(
    doc="What differs from [gate] and [service] in one environment.",
    pattern=OBJECT_NAME,
    shape="lower-case letters, digits and hyphens, at most 63",
    each=Table(doc="One environment.", keys={"access": ACCESS, "gate": GATE, "rollout": SPECIAL_ROLLOUT}),
)
PARAMETERS = Named(
    doc="Values of the pipeline's parameters, in place of the notebook's.",
    each=Field(kind=Kind.ANY, doc="The value of one parameter."),
)

TRIGGER_KEYS: Mapping[str, Node] = {
    "on": Field(
        kind=Kind.TEXT,
        doc="What fires it: cron, interval, data, pipeline-approved, alert, http, person, or the kind of a plug-in.",
        required=True,
    ),
    "cron": _text("Of cron: minute, hour, day, month, weekday."),
    "zone": _text("Of cron: the time zone, such as Europe/Berlin. Left out: UTC."),
    "every_seconds": Field(kind=Kind.WHOLE, doc="Of interval: the time between two firings.", minimum=1),
    "path": _text("Of data: a file of the repository, such as data/cars.csv.dvc; without one, files of the machine."),
    "repository": _text(
        "The git repository whose data the runs read, and that data is watched in; `.` is that of this file. "
        "Left out: the runs read the newest versions that the site has recorded."
    ),
    "branch": _text("The branch of the repository. Left out: main."),
    "poll_seconds": Field(kind=Kind.WHOLE, doc="Of data: how often it is looked at. Left out: 30.", minimum=1),
    "service": _name("Of alert: whose alerts. Left out: the project's own service."),
    "alert": _text("Of alert: only alerts of this name."),
    "alert_kind": Field(
        kind=Kind.TEXT, doc="Of alert: only this kind.", choices=("drift", "performance", "quality", "health")
    ),
    "options": Named(
        doc="Of the kind of a plug-in: what it takes.", each=Field(kind=Kind.ANY, doc="The value of one option.")
    ),
    "environment": _name(
        "Whose approved pipeline version runs, and where its model asks to go live. Left out: the service's."
    ),
    "then": Field(
        kind=Kind.TEXT,
        doc="What follows a run that succeeded: its model version asks for a review, or nothing. Left out: review.",
        choices=("review", "nothing"),
    ),
    "concurrency": Field(
        kind=Kind.TEXT,
        doc="What becomes of a firing while another one goes on. Left out: forbid.",
        choices=("allow", "forbid", "replace"),
    ),
    "cooldown_seconds": Field(
        kind=Kind.WHOLE, doc="How long after a firing no other one is let pass. Left out: 0.", minimum=0
    ),
    "catch_up": Field(
        kind=Kind.TEXT,
        doc="Of cron and interval: which of the times that passed while the site was down are made up. Left out: last.",
        choices=("none", "last", "all"),
    ),
    "catch_up_limit": Field(kind=Kind.WHOLE, doc="At most so many of all, up to 100. Left out: 10.", minimum=1),
}
TRIGGERS = Named(
    doc="What fires a production run: the approved pipeline version on the newest data.",
    pattern=OBJECT_NAME,
    shape="lower-case letters, digits and hyphens, at most 63",
    each=Table(doc="One trigger.", keys=TRIGGER_KEYS),
)
SETTINGS = Named(
    doc="Settings of tidemill in this folder; docs/reference/settings.md lists them.",
    each=Field(kind=Kind.ANY, doc="The value of one setting."),
)

FILE = Table(
    doc="A Tidemill project.",
    keys={
        "project": PROJECT,
        "parameters": PARAMETERS,
        "data": DATA,
        "tuning": TUNING,
        "model": MODEL,
        "gate": GATE,
        "service": SERVICE,
        "monitor": MONITOR,
        "environments": ENVIRONMENTS,
        "triggers": TRIGGERS,
        "notify": NOTIFY,
        "settings": SETTINGS,
    },
)
