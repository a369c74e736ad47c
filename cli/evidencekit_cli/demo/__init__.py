"""A small shop, so that the program can show its main job without internet."""
