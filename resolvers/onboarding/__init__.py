"""The onboarding quiz: its questions, answering it, and writing it."""
