"""What a party, an expert or a declarant takes from bundles: folders of ordinary files, never a changed bundle."""
