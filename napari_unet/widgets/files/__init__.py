"""Opening and saving layers: napari's File menu, buttons, dialogs and questions."""
