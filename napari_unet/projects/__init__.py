"""Projects: folders of plain files that open as they were left."""
