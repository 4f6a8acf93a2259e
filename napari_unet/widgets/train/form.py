"""The form of a training: magicgui widgets built from the configuration's own fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from typing import Any

from magicgui.widgets import create_widget
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_unet.widgets.train.weights_choice import (
    WeightsChoice,
    offer_weights,
    usual_weights,
)
from training.config import NO_WEIGHTS, STARTER, TrainingConfig, preset_config, preset_options
from training.errors import UserError
from training.label_classes import LabelClasses
from training.label_convention import IdBorders, LabelConvention
from training.presets.registry import DEFAULT_PRESET, find_preset, list_presets

# Decided by the choice of data.
_ELSEWHERE = frozenset(
    {"data_url", "image", "labels", "pairs", "hold_out", "label_convention", "num_classes"}
)
_OF_IDS = ("border", "unknown")
_LARGEST = 2**31 - 1
_AUTO = "auto"
_AUTOMATIC = {
    option.name: option.metadata["automatic"]
    for option in fields(TrainingConfig)
    if option.metadata["automatic"] is not None
}
_FOR_FEW_LABELS = "for_few_labels"  # where options of the recipe for sparse labels are remembered


class TrainingForm(QWidget):
    """Every option of a training but its data; the advanced ones can be folded away.

    Parameters
    ----------
    remembered : mapping
        Options to begin with, as :meth:`remembered` gave them; those that are no longer valid
        are left at their defaults.

    Attributes
    ----------
    basic : QWidget
        The options that are always seen.
    """

    advanced_toggled = Signal(bool)
    changed = Signal()  # an option
    ids_changed = Signal()  # which pixels of ids are membrane
    classes_changed = Signal()  # what the labels' values are

    def __init__(self, remembered: Mapping[str, Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._convention = LabelConvention.ISBI
        self._offered = ""  # the classes that were filled in
        self._set_aside: dict[str, Any] = {}  # a person's choices for the other kind of labels
        options = [option for option in fields(TrainingConfig) if _is_offered(option)]
        # Any: what create_widget gives depends on the option.
        self._widgets: dict[str, Any] = {option.name: _option_widget(option) for option in options}
        self._collapsible = QCollapsible("", self, _no_icon(), _no_icon())
        self._collapsible.addWidget(self._rows(is_advanced=True))
        folding: Any = self._collapsible.layout()
        folding.setContentsMargins(0, 0, 0, 0)
        self._collapsible.toggleButton().setIconSize(QSize(0, 0))
        self._collapsible.toggleButton().setToolTip("Options that are seldom changed.")
        self._collapsible.toggled.connect(self._on_advanced_toggled)
        self._on_advanced_toggled(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.basic = self._rows(is_advanced=False)
        layout.addWidget(self.basic)
        layout.addWidget(self._collapsible)
        layout.addStretch(1)
        self._widgets["preset"].changed.connect(self._on_preset_changed)
        for widget in self._widgets.values():
            widget.changed.connect(self._on_changed)
        self._widgets["classes"].changed.connect(self._on_classes_changed)
        for name in _OF_IDS:
            self._widgets[name].changed.connect(self._on_ids_changed)
        self.restore(remembered)

    def restore(self, remembered: Mapping[str, Any]) -> None:
        """Show options as :meth:`remembered` gave them, for the kind of labels chosen now."""
        is_sparse = self._convention == LabelConvention.SPARSE
        for_few = remembered.get(_FOR_FEW_LABELS, {})
        recipe = find_preset(_preset(remembered)).sparse_recipe
        full = {name: value for name, value in remembered.items() if name in recipe}
        if is_sparse:
            remembered = {**{n: v for n, v in remembered.items() if n not in recipe}, **for_few}
        self._set_aside = full if is_sparse else dict(for_few)
        self._show(_restore(remembered, self._convention))

    def choices(self) -> dict[str, Any]:
        """Give what a person chose that differs from the preset, for each kind of labels its own.

        Raises
        ------
        UserError
            If a number isn't one.
        """
        values = self.values()
        preset = find_preset(values["preset"])
        defaults = preset_config(preset.name, label_convention=self._convention)
        del values["classes"]  # those of these labels
        chosen = {name: value for name, value in values.items() if value != getattr(defaults, name)}
        recipe = {name: chosen[name] for name in preset.sparse_recipe if name in chosen}
        if self._convention == LabelConvention.SPARSE:
            full, for_few = self._set_aside, recipe
        else:
            full, for_few = recipe, self._set_aside
        others = {name: value for name, value in chosen.items() if name not in recipe}
        return {**others, **full, _FOR_FEW_LABELS: for_few, "preset": preset.name}

    @property
    def device(self) -> str:
        """The chosen device, or "auto"."""
        return str(self._widgets["device"].value)

    def open_advanced(self, is_open: bool) -> None:
        """Show or fold away the advanced options."""
        if is_open:
            self._collapsible.expand(animate=False)

    def set_devices(self, devices: Sequence[str]) -> None:
        """Offer these devices, and "auto"; the chosen one stays chosen if it is among them."""
        _offer(self._widgets["device"], ["auto", *devices])

    def follow_convention(self, convention: LabelConvention) -> None:
        """Take the recipe for few labels if labels are sparse; leave it if they no longer are.

        What a person changed in it is kept until labels of its kind are chosen again.
        """
        if convention == LabelConvention.CLASSES:  # which have the recipe of finished labels
            convention = LabelConvention.ISBI
        is_same = (self._convention == convention) or LabelConvention.SPARSE not in (
            self._convention,
            convention,
        )
        if is_same:
            self._convention = convention
            return
        try:
            remembered = self.choices()
        except UserError:  # a field that is being edited
            remembered = {"preset": self._widgets["preset"].value}
        self._convention = convention
        self.restore(remembered)

    def values(self) -> dict[str, Any]:
        """Read the options by name.

        Raises
        ------
        UserError
            If a number isn't one.
        """
        values = {}
        for name, widget in self._widgets.items():
            try:
                values[name] = widget.value
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                if name in _AUTOMATIC and widget.native.text().strip() in ("", _AUTO):
                    values[name] = _AUTOMATIC[name]
                    continue
                raise UserError(
                    f"{widget.label} is not a number.", "Write it as 0.001 or 1e-3."
                ) from None
        return values

    @property
    def classes(self) -> LabelClasses:
        """The classes that the labels tell apart; empty: membrane and inside.

        Raises
        ------
        UserError
            If what is written is not a list of classes.
        """
        return LabelClasses.parse(self._widgets["classes"].value)

    def offer_classes(self, classes: LabelClasses) -> None:
        """Fill in the classes that labels say they have, or empty what was filled in so before."""
        if classes or self._widgets["classes"].value == self._offered:
            self._offered = classes.text
            self._widgets["classes"].value = classes.text
            self._widgets["classes"].native.setCursorPosition(0)  # its names, rather than colours

    @property
    def ids(self) -> IdBorders:
        """Which pixels are membrane if the labels are ids."""
        return IdBorders(self._widgets["border"].value, self._widgets["unknown"].value == "0")

    def config(self, convention: LabelConvention = LabelConvention.ISBI) -> TrainingConfig:
        """Make the options a configuration, without data; those of ids are for ids alone.

        Raises
        ------
        UserError
            If an option is not valid.
        """
        values = self.values()
        if convention != LabelConvention.INSTANCES:
            values = {name: value for name, value in values.items() if name not in _OF_IDS}
        if values["classes"]:
            convention = LabelConvention.CLASSES
        return TrainingConfig(**values, label_convention=convention)

    def set_value(self, name: str, value: Any) -> None:
        """Set one option."""
        widget = self._widgets[name]
        if name == "weights":
            preset = find_preset(self._widgets["preset"].value)
            opened = [choice for choice in widget.choices if choice not in (STARTER, NO_WEIGHTS)]
            offer_weights(widget, [*usual_weights(preset), *opened, value])
        widget.value = value
        if name in _AUTOMATIC and value == _AUTOMATIC[name]:
            widget.native.setText(_AUTO)

    def _show(self, config: TrainingConfig) -> None:
        for name, widget in self._widgets.items():
            value = getattr(config, name)
            if name == "device":
                _offer(widget, [*widget.choices, value])
            with widget.changed.blocked():
                self.set_value(name, value)

    def _on_advanced_toggled(self, is_open: bool) -> None:
        self._collapsible.setText(f"{'▾' if is_open else '▸'} Advanced")
        content: Any = self._collapsible.content()
        content.setVisible(is_open)  # folded to no height, its fields would still take the keyboard
        self.advanced_toggled.emit(is_open)

    def _on_changed(self, _: object) -> None:
        self.changed.emit()

    def _on_ids_changed(self, _: object) -> None:
        self.ids_changed.emit()

    def _on_classes_changed(self, _: object) -> None:
        self.classes_changed.emit()

    def _on_preset_changed(self, preset: str) -> None:
        """Take the new preset's values of those options in which presets differ."""
        self._set_aside = {}
        config = preset_config(preset, label_convention=self._convention)
        for name in preset_options():
            self.set_value(name, getattr(config, name))

    def _rows(self, is_advanced: bool) -> QWidget:
        rows = QWidget(self)
        layout = QFormLayout(rows)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(4)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for option in fields(TrainingConfig):
            if option.name in self._widgets and option.metadata["is_advanced"] == is_advanced:
                widget = self._widgets[option.name]
                if isinstance(option.default, bool):
                    layout.addRow(widget.native)  # a check box has its own title
                    continue
                label = QLabel(widget.label)
                label.setToolTip(widget.tooltip)
                is_weights = option.name == "weights"
                layout.addRow(label, WeightsChoice(widget) if is_weights else widget.native)
        return rows


def _no_icon() -> QIcon:
    """An icon that isn't null: superqt takes PySide's null icon for none at all, and fails."""
    clear = QPixmap(1, 1)
    clear.fill(Qt.GlobalColor.transparent)
    return QIcon(clear)


def _is_offered(option: Field[Any]) -> bool:
    has_choice = option.metadata["minimum"] is None or (
        option.metadata["minimum"] != option.metadata["maximum"]
    )
    return option.name not in _ELSEWHERE and has_choice


def _option_widget(option: Field[Any]) -> Any:
    kind, metadata = type(option.default), option.metadata
    arguments: dict[str, Any] = {"tooltip": metadata["help"]}
    widget_type = None
    if option.name == "weights":
        widget_type = "ComboBox"
        arguments["choices"] = [option.default]
    elif option.name == "device":
        widget_type = "ComboBox"
        arguments["choices"] = ["auto", "cpu"]
    elif metadata["choices"]:
        widget_type = "ComboBox"
        arguments["choices"] = list(metadata["choices"])
    elif option.name in _AUTOMATIC or kind is float:
        # A spin box would round 1e-4 to its few decimals, and can't say "auto".
        widget_type = "LiteralEvalLineEdit"
    elif kind is int:
        arguments |= {"min": metadata["minimum"] or 0, "max": metadata["maximum"] or _LARGEST}
    widget: Any = create_widget(
        name=option.name,
        label=metadata["title"],
        value=option.default,
        annotation=kind,
        widget_type=widget_type,
        options=arguments,
    )
    return widget


def _offer(widget: Any, choices: Sequence[str]) -> None:
    chosen = widget.value
    with widget.changed.blocked():
        widget.choices = list(dict.fromkeys(choices))
        if chosen in widget.choices:
            widget.value = chosen


def _preset(remembered: Mapping[str, Any]) -> str:
    preset = remembered.get("preset", DEFAULT_PRESET)
    return preset if preset in list_presets() else DEFAULT_PRESET


def _restore(remembered: Mapping[str, Any], convention: LabelConvention) -> TrainingConfig:
    config = preset_config(_preset(remembered), label_convention=convention)
    config = config.replace(label_convention=LabelConvention.INSTANCES)  # takes every option
    for name, value in remembered.items():
        try:
            config = config.replace(**{name: value})
        except UserError:
            continue  # of an older version
    return config
