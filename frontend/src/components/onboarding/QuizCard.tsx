import { type Dispatch, useEffect, useId, useRef, useState } from "react";
import type { Question } from "../../services/onboarding";
import { answerTo, isFull, type QuizAction, type QuizState } from "./quizState";

/** Options from which on a field to look through them helps. */
const MANY = 9;

interface Props {
  question: Question;
  state: QuizState;
  dispatch: Dispatch<QuizAction>;
}

/** One question: check boxes, or radio buttons where one answer is asked for. */
export function QuizCard({ question, state, dispatch }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  const [sought, setSought] = useState("");
  // Whoever cannot see the card change hears the new question.
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const answer = answerTo(state, question);
  const isOne = question.maxChoices === 1;
  const full = isFull(state, question);
  const shown = question.options.filter(({ label, description }) =>
    `${label} ${description}`.toLowerCase().includes(sought.trim().toLowerCase()),
  );
  return (
    <div className="quiz-card">
      <h3 ref={heading} id={id} tabIndex={-1} dir="auto">
        {question.text}
      </h3>
      <p className="soft" dir="auto">
        {question.description} {!isOne && `Choose up to ${question.maxChoices}.`}
      </p>
      {question.options.length >= MANY && (
        <input
          type="search"
          className="field"
          aria-label="Filter options"
          placeholder="Filter options"
          value={sought}
          onChange={(event) => setSought(event.target.value)}
        />
      )}
      <fieldset aria-labelledby={id} className="quiz-options">
        {shown.map((option) => {
          const isChosen = answer.options.includes(option.key);
          return (
            <label key={option.key} className="quiz-option">
              <input
                type={isOne ? "radio" : "checkbox"}
                name={question.key}
                checked={isChosen}
                disabled={full && !isChosen}
                onChange={() => dispatch({ type: "choose", question, option: option.key })}
              />
              <span>
                <strong>{option.label}</strong>
                {option.description && <small>{option.description}</small>}
              </span>
            </label>
          );
        })}
        {shown.length === 0 && <p className="soft">No matching options.</p>}
      </fieldset>
      {question.allowsText && (
        <label className="quiz-words">
          <span>In your own words</span>
          <textarea
            className="field"
            rows={2}
            maxLength={500}
            dir="auto"
            value={answer.text}
            onChange={(event) => dispatch({ type: "write", question, text: event.target.value })}
          />
        </label>
      )}
    </div>
  );
}
