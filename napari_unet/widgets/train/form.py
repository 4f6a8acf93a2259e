"""The form of a training: magicgui widgets built from the configuration's own fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from magicgui.widgets import Widget, create_widget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from training.config import TrainingConfig, preset_config, preset_options
from training.errors import UserError
from training.label_convention import LabelConvention
from training.presets.registry import DEFAULT_PRESET, find_preset, list_presets

# Decided by the choice of data, and by resume_ckpt.
_ELSEWHERE = frozenset({"data_url", "image", "labels", "label_convention", "resume"})
_LARGEST = 2**31 - 1


class TrainingForm(QWidget):
    """Every option of a training but its data; the advanced ones can be folded away.

    Parameters
    ----------
    remembered : mapping
        Options to begin with, as :meth:`values` gave them; those that are no longer valid
        are left at their defaults.
    """

    advanced_toggled = Signal(bool)

    def __init__(self, remembered: Mapping[str, Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._convention = LabelConvention.ISBI
        options = [option for option in fields(TrainingConfig) if _is_offered(option)]
        # Any: what create_widget gives depends on the option.
        self._widgets: dict[str, Any] = {option.name: _option_widget(option) for option in options}
        self._collapsible = QCollapsible("Advanced", parent=self, collapsedIcon="▶")
        self._collapsible.addWidget(self._rows(is_advanced=True))
        self._collapsible.toggleButton().setToolTip("Options that are seldom changed.")
        self._collapsible.toggled.connect(self._on_advanced_toggled)
        self._on_advanced_toggled(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._rows(is_advanced=False))
        layout.addWidget(self._collapsible)
        layout.addStretch(1)
        self._widgets["preset"].changed.connect(self._on_preset_changed)
        self._show(_restore(remembered))

    def open_advanced(self, is_open: bool) -> None:
        """Show or fold away the advanced options."""
        if is_open:
            self._collapsible.expand(animate=False)

    def set_devices(self, devices: Sequence[str]) -> None:
        """Offer these devices, and "auto"; the chosen one stays chosen if it is among them."""
        _offer(self._widgets["device"], ["auto", *devices])

    def follow_convention(self, convention: LabelConvention) -> None:
        """Take the recipe for few labels if labels are sparse; leave it if they no longer are."""
        former, self._convention = self._convention, convention
        if (former == LabelConvention.SPARSE) == (convention == LabelConvention.SPARSE):
            return
        preset = self._widgets["preset"].value
        config = preset_config(preset, label_convention=convention)
        for name in find_preset(preset).sparse_recipe:
            self._widgets[name].value = getattr(config, name)

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
            except (ValueError, SyntaxError):
                raise UserError(
                    f"{widget.label} is not a number.", "Write it as 0.001 or 1e-3."
                ) from None
        weights = values["resume_ckpt"]
        values["resume_ckpt"] = str(weights) if weights is not None else ""
        return values | {"resume": weights is not None}

    def config(self) -> TrainingConfig:
        """Make the options a configuration, without data.

        Raises
        ------
        UserError
            If an option is not valid.
        """
        return TrainingConfig(**self.values())

    def set_value(self, name: str, value: Any) -> None:
        """Set one option."""
        self._widgets[name].value = value

    def _show(self, config: TrainingConfig) -> None:
        for name, widget in self._widgets.items():
            value = getattr(config, name)
            if name == "device":
                _offer(widget, [*widget.choices, value])
            if name == "resume_ckpt":
                value = Path(value) if value else None
            with widget.changed.blocked():
                widget.value = value

    def _on_advanced_toggled(self, is_open: bool) -> None:
        content: Any = self._collapsible.content()
        content.setVisible(is_open)  # folded to no height, its fields would still take the keyboard
        self.advanced_toggled.emit(is_open)

    def _on_preset_changed(self, preset: str) -> None:
        """Take the new preset's values of those options in which presets differ."""
        config = preset_config(preset, label_convention=self._convention)
        for name in preset_options():
            self._widgets[name].value = getattr(config, name)

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
                layout.addRow(label, widget.native)
        return rows


def _is_offered(option: Field[Any]) -> bool:
    has_choice = option.metadata["minimum"] is None or (
        option.metadata["minimum"] != option.metadata["maximum"]
    )
    return option.name not in _ELSEWHERE and has_choice


def _option_widget(option: Field[Any]) -> Widget:
    kind, metadata = type(option.default), option.metadata
    arguments: dict[str, Any] = {"tooltip": metadata["help"]}
    widget_type = None
    if option.name == "resume_ckpt":
        widget_type = "FileEdit"
        arguments |= {"filter": "Weights (*.ckpt *.safetensors)", "nullable": True}
    elif option.name == "device":
        widget_type = "ComboBox"
        arguments["choices"] = ["auto", "cpu"]
    elif metadata["choices"]:
        widget_type = "ComboBox"
        arguments["choices"] = list(metadata["choices"])
    elif kind is int:
        arguments |= {"min": metadata["minimum"] or 0, "max": metadata["maximum"] or _LARGEST}
    elif kind is float:
        # A spin box would round 1e-4 to its few decimals.
        widget_type = "LiteralEvalLineEdit"
    return create_widget(
        name=option.name,
        label=metadata["title"],
        value=None if option.name == "resume_ckpt" else option.default,
        annotation=Path if option.name == "resume_ckpt" else kind,
        widget_type=widget_type,
        options=arguments,
    )


def _offer(widget: Any, choices: Sequence[str]) -> None:
    chosen = widget.value
    with widget.changed.blocked():
        widget.choices = list(dict.fromkeys(choices))
        if chosen in widget.choices:
            widget.value = chosen


def _restore(remembered: Mapping[str, Any]) -> TrainingConfig:
    preset = remembered.get("preset", DEFAULT_PRESET)
    config = preset_config(preset if preset in list_presets() else DEFAULT_PRESET)
    for name, value in remembered.items():
        try:
            config = config.replace(**{name: value})
        except UserError:
            continue  # of an older version
    return config
