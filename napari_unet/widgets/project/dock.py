"""The project dock: makes, opens and closes projects, and shows when they were saved."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari import Viewer
from napari.layers import Layer
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.layers.followed_operations import LINES_KEY
from napari_unet.layers.plugin_layers import OPERATIONS_KEY
from napari_unet.projects.layer_records import add_layer, dress, restore_view
from napari_unet.projects.opening import Access, OpenProject, create_project, open_project
from napari_unet.projects.operation_list import OperationList
from napari_unet.projects.project_lock import ProjectInUseError
from napari_unet.projects.records import LABELS
from napari_unet.settings import let_go, load_settings
from napari_unet.text import as_html
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.dock import Dock
from napari_unet.widgets.common.messages import ask, confirm
from napari_unet.widgets.files.file_opening import open_layer
from napari_unet.widgets.project.session import Outcome, ProjectSession
from training.errors import UserError


class ProjectDock(Dock):
    """Shows the project of this window; it stays open when the dock is closed.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose layers are saved; napari gives it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session: ProjectSession | None = None
        self._title, self._problems, self._status = QLabel(), QLabel(), QLabel()
        self._new, self._open = QPushButton("New…"), QPushButton("Open…")
        self._again, self._close = QPushButton(), QPushButton("Close project")
        self._take, self._both = QPushButton(), QPushButton("Keep both")
        self._elsewhere = QPushButton("Save elsewhere…")
        self._recent, self._recent_menu = QPushButton("Recent projects"), QMenu(self)
        self._lay_out()
        self._new.clicked.connect(self._on_new_requested)
        self._open.clicked.connect(self._on_open_requested)
        self._again.clicked.connect(self._on_again_requested)
        self._close.clicked.connect(self._on_close_requested)
        self._take.clicked.connect(self._on_take_requested)
        self._both.clicked.connect(self._on_both_requested)
        self._elsewhere.clicked.connect(self._on_new_requested)
        self._show_project()

    def new_project(self, folder: Path) -> None:
        """Make a project of what is in the viewer; the project that is open is closed."""
        self.message.tell("")
        self._say("Making the project…")
        run_in_thread(lambda: create_project(folder), self._on_created, self._on_failed)

    def open_project(self, folder: Path, access: Access = Access.HOLD) -> None:
        """Open a project as it was left; the layers that are open give way to it."""
        if len(self._viewer.layers) and not confirm(
            self,
            f"Open the project '{folder.name}'?",
            "The layers that are open now are closed; what is not saved of them is lost.",
            "Close them and open",
        ):
            return
        self._load(folder, access)

    def _lay_out(self) -> None:
        self._new.setToolTip("Save what is open as a project, in a new or an empty folder.")
        self._open.setToolTip("Open a project as it was left.")
        self._again.setToolTip("Open the last project as it was left.")
        self._recent.setToolTip("Open one of the projects before it.")
        self._recent.setMenu(self._recent_menu)
        self._close.setToolTip("Save for the last time; the layers stay open.")
        self._both.setToolTip(
            "Leave the file as the other program wrote it, and save this window's beside it."
        )
        self._elsewhere.setToolTip("Save what is open here as a project in another folder.")
        for text in (self._title, self._problems, self._status):
            text.setWordWrap(True)
        self._problems.hide()
        row = QHBoxLayout()
        row.addWidget(self._new)
        row.addWidget(self._open)
        layout = QVBoxLayout(self.content)
        layout.addWidget(self._title)
        layout.addWidget(self._problems)
        layout.addWidget(self._status)
        layout.addLayout(row)
        for button in (self._take, self._both, self._elsewhere):
            layout.addWidget(button)
        layout.addWidget(self._again)
        layout.addWidget(self._recent)
        layout.addWidget(self._close)
        layout.addWidget(self.message)
        layout.addStretch(1)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Look for a project that is open in the window, which is known only now."""
        super().showEvent(event)
        window = main_window(self)
        sessions = window.findChildren(ProjectSession) if window is not None else []
        if sessions and self._session is None:
            self._follow(sessions[-1])

    def _follow(self, session: ProjectSession) -> None:
        self._session = session
        session.outcome_changed.connect(self._show_project)
        session.ended.connect(self._on_ended)
        self._show_project()

    def _show_project(self) -> None:
        session = self._session
        has_project = session is not None
        for button in (self._new, self._open):
            button.setEnabled(not has_project)
        self._close.setVisible(has_project)
        self._close.setEnabled(session is not None and not session.is_ending)
        self._offer_recent([] if has_project else [*map(Path, load_settings().projects)])
        if session is not None:
            folder = session.project.folder
            self._title.setText(f"<b>{as_html(folder.name)}</b><br>{as_html(str(folder))}")
            self._say(_state_text(session))
        else:
            self._title.setText("<b>No project is open</b>")
            self._say(
                "A project is a folder that keeps labels, runs and view, and saves itself. Stacks "
                "stay where they are."
            )
        self._offer(session.outcome if session is not None else None)

    def _offer_recent(self, folders: list[Path]) -> None:
        """Offer to open projects again, newest first."""
        self._again.setVisible(bool(folders))
        self._recent.setVisible(len(folders) > 1)
        self._recent_menu.clear()
        for folder in folders[1:]:
            text = str(folder).replace("&", "&&")
            self._recent_menu.addAction(text, partial(self.open_project, folder))
        self._last = folders[0] if folders else Path()
        self._again.setText(f"Reopen '{self._last.name}'".replace("&", "&&"))

    def _offer(self, outcome: Outcome | None) -> None:
        """Show the ways out of what keeps the project from being saved."""
        kind = outcome.kind if outcome is not None else ""
        is_lost = kind == "lost"
        self._take.setVisible(kind in ("looking", "lost"))
        self._take.setText("Take it back" if is_lost else "Take over")
        self._take.setToolTip(
            "Save here again; what the other window has saved since is kept beside it."
            if is_lost
            else "Open it again to save here; the other window will say so, and loses nothing."
        )
        self._both.setVisible(kind == "changed")
        self._elsewhere.setVisible(kind in ("failed", "changed", "looking", "lost"))

    def _say(self, text: str) -> None:
        self._status.setText(text)

    def _on_new_requested(self) -> None:
        folder, _ = QFileDialog.getSaveFileName(self, "Folder of the new project", "project")
        if folder:
            self.new_project(Path(folder))

    def _on_open_requested(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the project")
        if folder:
            self.open_project(Path(folder))

    def _on_again_requested(self) -> None:
        self.open_project(self._last)

    def _on_take_requested(self) -> None:
        session = self._session
        if session is not None and session.outcome.kind == "lost":
            session.take_over()
        elif session is not None:  # the other window has gone on since it was read
            self.open_project(session.project.folder, Access.TAKE_OVER)

    def _on_both_requested(self) -> None:
        if self._session is not None:
            self._session.keep_both()

    def _on_close_requested(self) -> None:
        if self._session is not None:
            self._session.end()

    def _on_ended(self, session: ProjectSession) -> None:
        if session is not self._session:  # another project is open by now
            return
        self._session = None
        self._problems.hide()
        self._show_project()
        if session.outcome.is_unsaved:
            self._say(f"<b>Closed, but not saved:</b> {as_html(session.outcome.text)}")

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None and not session.is_ending:
            session.end()

    def _load(self, folder: Path, access: Access) -> None:
        self.message.tell("")
        self._say("Reading the project…")
        run_in_thread(lambda: open_project(folder, access), self._on_loaded, self._on_load_failed)

    def _on_load_failed(self, error: Exception) -> None:
        if not isinstance(error, ProjectInUseError):
            self._on_failed(error)
            return
        access = ask_for_access(self, error)
        if access is not None:
            self._load(error.folder, access)
        else:
            self._show_project()

    def _on_created(self, opened: OpenProject) -> None:
        self._end_session()
        self._begin(opened)

    def _on_failed(self, error: Exception) -> None:
        self._show_project()
        self.report(error)

    def _begin(self, opened: OpenProject, own: Sequence[tuple[Any, str]] = ()) -> ProjectSession:
        window: Any = main_window(self)
        session = ProjectSession(self._viewer, opened, window, own)
        self._show_problems(opened.problems)
        self._follow(session)
        return session

    def _on_loaded(self, opened: OpenProject) -> None:
        self._end_session()
        self.setEnabled(False)  # nothing else is opened meanwhile
        try:
            opened, own = self._add_layers(opened)
            restore_view(self._viewer, opened.state.view)
        except Exception as error:  # reported as what it is; the project stays closed
            let_go(opened.choices)
            opened.lock.release()
            self._on_failed(error)
            return
        finally:
            self.setEnabled(True)
        self._begin(opened, own).save()

    def _show_problems(self, problems: tuple[UserError, ...]) -> None:
        self._problems.setText("<br>".join(f"⚠ {as_html(str(problem))}" for problem in problems))
        self._problems.setVisible(bool(problems))

    def _add_layers(self, opened: OpenProject) -> tuple[OpenProject, list[tuple[Any, str]]]:
        """Add a project's layers, but for those that can't be shown.

        Those that lie in files elsewhere come first: other events are handled while these are
        read, and docks look for the project's list of operations once its own layers are there.

        Returns
        -------
        OpenProject, list
            The project, which names those that are left out, and the layers of its own files
            with the names of these.
        """
        self._viewer.layers.clear()
        own: list[tuple[Any, str]] = []
        layers: dict[int, Layer] = {}  # by their places
        records = enumerate(opened.state.layers)
        for place, record in sorted(records, key=lambda placed: placed[1].stack is None):
            if record in opened.unreadable:
                continue
            present = list(self._viewer.layers)
            try:
                if record.stack is None:
                    layer = add_layer(self._viewer, record, opened.pixels[record.file])
                    _keep_list(layer, opened.project.folder)
                    own.append((layer, record.file))
                else:
                    layer = open_layer(self._viewer, Path(record.stack.path))
                    dress(layer, record)
                layers[place] = layer
            except Exception as error:  # it is named beside the layers that can be worked on
                self._viewer.layers[:] = present
                opened = opened.without(record, error)
        for position, place in enumerate(sorted(layers)):
            self._viewer.layers.move(self._viewer.layers.index(layers[place]), position)
        return opened, own


def _keep_list(layer: Layer, folder: Path) -> None:
    """Let a layer have its operations with it, which another project may be made of."""
    if name := layer.metadata.get(OPERATIONS_KEY):
        layer.metadata[LINES_KEY] = OperationList(source=folder / LABELS / name)


def ask_for_access(parent: QWidget, error: ProjectInUseError) -> Access | None:
    """Ask what to do about a project that another window has open; None to leave it closed."""
    roles = QMessageBox.ButtonRole
    answer = ask(
        parent,
        error.problem,
        "You can look only: nothing is saved then. Or take it over: the other window stops saving, "
        "says so, and keeps what is open in it.",
        {
            "Look only": roles.AcceptRole,
            "Take over": roles.DestructiveRole,
            "Cancel": roles.RejectRole,
        },
        default="Look only",
    )
    return {"Look only": Access.LOOK_ONLY, "Take over": Access.TAKE_OVER}.get(answer)


def _state_text(session: ProjectSession) -> str:
    """What is saved and what is not, as rich text."""
    outcome = session.outcome
    if session.is_ending:
        return "Saving for the last time…"
    if outcome.is_unsaved:
        return f"<b>Not saved:</b> {as_html(outcome.text)}"
    if outcome.kind == "looking" or not session.is_held:
        return f"<b>Look only:</b> nothing is saved. {as_html(outcome.text)}"
    if outcome.kind == "saved":
        return f"Saved at {outcome.text}."
    return "Strokes are saved a second after they are painted."


def main_window(widget: QWidget) -> QMainWindow | None:
    """The window of a dock, floating or not."""
    parent: Any = widget.parent()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parent()
    return parent
