"""What the show of planted texts is made of: attempts, those outside who count, guards switched off."""
