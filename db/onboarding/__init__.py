"""The questions of the quiz, and what was answered."""
