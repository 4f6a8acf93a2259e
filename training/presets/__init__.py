"""What there is to know of each network beside the network itself: one record a preset."""
