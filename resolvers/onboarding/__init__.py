"""The onboarding questions: queries, the viewer's answers, and the mutations by which the platform sends questions.

The rules of answers are in `scoring.use_cases.submit_onboarding`, generated questions in `scoring.onboarding`.
"""
