"""What a stack needs before the network sees it: where its neurites are flatter or thicker than the network knows."""
