"""What the buttons of an explorer do, and when they can be pressed.

One thing works at a time. While nothing does, the controls are compared with what is shown, and
the next run is estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modviz.core.analysis import Analysis
from modviz.core.choice import ClusterChoice
from modviz.core.graph import NeuronGraph
from modviz.core.settings import whole_number
from modviz.widgets import offers, runs, stale
from modviz.widgets.desk import Desk
from modviz.widgets.outlook import Outlook
from modviz.widgets.recording import EarlierRun, Recorder
from modviz.widgets.resuming import Search, discarded
from modviz.widgets.script import Recipe
from modviz.widgets.selection import short_names
from modviz.widgets.shown import Shown
from modviz.widgets.subject import Subject
from modviz.widgets.work import Task, Work

_NO_MODEL = (
    "this explorer shows a saved analysis and has no model to run; make one with "
    "modviz.explore(model, data)"
)
_REPLACING = "The panels show the analysis before until this run has a partition."


class Commands:
    """Runs and what else can be computed, for one explorer.

    Parameters
    ----------
    subject : Subject or None
        None = there is no model.
    desk : Desk
    shown : Shown
    status : callable
        Sets the explorer's status; gives the one before.
    """

    def __init__(
        self,
        subject: Subject | None,
        desk: Desk,
        shown: Shown,
        status: Callable[[str], str],
    ) -> None:
        self._desk, self._shown = desk, shown
        self._tasks: runs.Runs | None = None
        self._outlook: Outlook | None = None
        self._recorder: Recorder | None = None
        self._search: Search | None = None
        if subject is not None and desk.controls is not None:
            recorder = self._recorder = Recorder(subject, desk.bar.say_trouble)
            self._tasks = runs.Runs(subject, shown, recorder)
            self._outlook = Outlook(subject, desk.controls, desk.bar.say_cost, recorder.extent)
        self._work = Work(
            desk.bar,
            desk.problem,
            changes=shown.changes,
            show=self._show,
            status=status,
        )

    @property
    def error(self) -> BaseException | None:
        """What the last work failed with; None if it did not."""
        return self._work.error

    def settings(self) -> dict[str, Any]:
        """Keywords for `modviz.analyze`, as the controls stand; without a model those shown."""
        if self._desk.controls is not None:
            return self._desk.controls.settings()
        return dict(Recipe.of(self._shown.required()).settings)

    def actions(self) -> dict[str, Callable[[], None]]:
        """What the buttons do that the explorer has no method for, by their names."""
        return {
            "Resume": self.resume,
            "Discard": self.discard,
            "Use k": self.use_choice,
            "More controls": self.more_of_selected,
        }

    def run(self) -> None:
        """Begin a run."""
        with self._shown.changes():
            tasks, outlook = self._free()
            self.look_no_more()
            outlook.begins()
            self._start(tasks.run(self.settings(), outlook.ended))

    def look(self) -> None:
        """Begin to look for earlier runs to offer."""
        recorder, controls = self._recorder, self._desk.controls
        if recorder is not None and controls is not None and recorder.has_earlier():
            given = controls.keywords()
            self._search = Search(lambda: recorder.earlier(given, controls.fits), self._found)
            self._search.start()

    def _found(self, earlier: Sequence[EarlierRun]) -> None:
        with self._shown.changes():
            if self._search is not None:
                self._desk.offer.show(earlier)

    def look_no_more(self) -> None:
        """Offer no earlier runs any more; the explorer's lock has to be held."""
        if self._search is not None:
            self._search.stop()
        self._search = None
        self._desk.offer.show(())

    def resume(self) -> None:
        """Begin to go on with the earlier run that is offered, or to open it."""
        with self._shown.changes():
            self._work.refuse_if_busy()
            earlier = self._desk.offer.chosen
            if earlier is None or self._desk.controls is None:
                raise RuntimeError("no earlier run is offered")
            self._desk.controls.take(earlier.settings)
            self.run()

    def discard(self) -> None:
        """Delete the earlier run that is offered, at the second time of asking."""
        with self._shown.changes():
            offer = self._desk.offer
            earlier = offer.chosen
            if earlier is None or offer.ask_again():
                return
            discarded(earlier)
            offer.show([run for run in offer.runs if run is not earlier])

    def saved(self, analysis: Analysis) -> None:
        """An analysis was written to a file."""
        if self._recorder is not None:
            self._recorder.saved(analysis)

    def more_controls(self, names: Sequence[Any] | None, n_controls: int | None) -> None:
        """Begin to draw more controls."""
        with self._shown.changes():
            tasks, _outlook = self._free()
            chosen = short_names(names or (), self._shown.required())
            if n_controls is not None:
                n_controls = whole_number("n_controls", n_controls, 1)
            self._start(tasks.more(self.settings(), chosen, n_controls, self._follow))

    def more_of_selected(self) -> None:
        """Begin to draw more controls, as More controls says."""
        with self._shown.changes():
            chosen = offers.to_draw(self._shown.required(), self._shown.selected)
            if chosen is None:
                raise RuntimeError(
                    "more controls can be drawn for all subclusters, or for those that no control "
                    "has equalled so far; select such, or nothing"
                )
            self.more_controls(chosen, None)

    def obey(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Begin what a button in the page asks for."""
        if name != "more_controls":
            raise ValueError(f"the page asks for {name!r}; it can ask for 'more_controls'")
        self.more_controls(arguments.get("names"), arguments.get("n_controls"))

    def _follow(self, settings: Mapping[str, Any]) -> None:
        if self._desk.controls is not None:
            self._desk.controls.follow(settings)

    def measure_pairs(self, names: Sequence[Any] | None) -> None:
        """Begin to measure pairs."""
        with self._shown.changes():
            tasks, _outlook = self._free()
            analysis = self._shown.required()
            if names is None:
                members = offers.to_pair(analysis, self._shown.selected)
            else:
                members = short_names(names, analysis)
            self._start(tasks.pairs(self.settings(), members, self._shown.keep_pairs))

    def suggest(self) -> None:
        """Begin to compare numbers of clusters."""
        with self._shown.changes():
            self._work.refuse_if_busy()
            settings = self.settings()
            seed = int(settings.get("seed", 0))

            def keep(choice: ClusterChoice, of: NeuronGraph) -> None:
                self._shown.keep_choice(choice, (of, seed))

            workers = settings.get("workers")
            self._start(runs.suggest(self._graph(settings), seed, workers, keep))

    def _graph(self, settings: dict[str, Any]) -> Callable[[], NeuronGraph]:
        """Gives the graph that is shown, or that of the controls if they stand for another."""
        tasks, outlook, recipe = self._tasks, self._outlook, self._shown.recipe
        if tasks is None or outlook is None or (recipe and outlook.same_graph(recipe)):
            shown = self._shown.required().partition.graph
            return lambda: shown
        return lambda: tasks.graph(settings)

    def use_choice(self) -> None:
        """Set the control to the number of clusters that was suggested."""
        choice = self._desk.further.choice
        if self._desk.controls is not None and choice is not None and choice.suggested:
            self._desk.controls.n_clusters.value = choice.suggested

    def cancel(self) -> None:
        """Ask what works to stop."""
        self._work.cancel()

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end of what works."""
        return self._work.wait(timeout)

    def differences(self) -> list[str]:
        """What differs between the controls and the analysis that is shown, in words."""
        return [] if self._outlook is None else self._outlook.differences(self._shown.recipe)

    def refresh(self) -> None:
        """Bring buttons and banner up to date; the explorer's lock has to be held."""
        busy, found = self._work.busy, self.differences()
        self.offer()
        if self._outlook is None or self._desk.controls is None:
            return
        self._desk.controls.set_busy(busy=busy)
        self._desk.offer.welcome(yes=not busy and self._shown.analysis is None)
        self._desk.bar.say_left("" if busy else self._left())
        self._desk.bar.due(stale=bool(found))
        if busy:
            self._outlook.stop()
        else:
            self._outlook.ask(self._shown.analysis, self._shown.recipe)
        self._desk.say(self._banner(found, self._shown.recipe))

    def offer(self) -> None:
        """Say what the selection can be asked; the explorer's lock has to be held."""
        analysis, busy = self._shown.analysis, self._work.busy
        selected = self._shown.selected
        self._desk.further.enable(
            busy=busy,
            can_suggest=self._tasks is not None or analysis is not None,
            more=offers.more_in_words(analysis, selected),
            pairs=offers.pairs_in_words(offers.to_pair(analysis, selected)),
        )
        for button in (self._desk.files.save, self._desk.files.report):
            button.disabled = analysis is None

    def _banner(self, found: list[str], recipe: Recipe | None) -> str:
        task = self._work.task
        if not found or self._outlook is None or self._tasks is None:
            return ""
        if task is None:
            return self._outlook.in_words(found)
        if task.replaces and self._tasks.making is not recipe:
            return _REPLACING
        return stale.changed(found)

    def _left(self) -> str:
        """Where the last run would go on, if the controls still stand for it."""
        left = None if self._tasks is None else self._tasks.left
        if left is None or self._outlook is None or self._outlook.differences(left[0]):
            return ""
        return left[1]

    def _show(self, analysis: Analysis) -> None:
        if self._tasks is not None:
            self._tasks.show(analysis)

    def _start(self, task: Task) -> None:
        if self._outlook is not None:
            self._outlook.stop()
        self._work.start(task)

    def _free(self) -> tuple[runs.Runs, Outlook]:
        """What measures, if there is a model and nothing works."""
        if self._tasks is None or self._outlook is None:
            raise RuntimeError(_NO_MODEL)
        self._work.refuse_if_busy()
        return self._tasks, self._outlook
