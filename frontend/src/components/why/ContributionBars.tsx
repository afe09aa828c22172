import type { Explanation } from "../../services/why";
import { addUp, inFull, type Step, type Sum } from "./addUp";

/** A bar for each contribution, each beginning where the one before ends: the last one ends at the score. */
export function ContributionBars({ explanation }: { explanation: Explanation }) {
  const sum = addUp(explanation.contributions, explanation.score);
  return (
    <section className="why-part" aria-label="How the score adds up">
      <h3>How the score adds up</h3>
      <table className="bars">
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Signal</th>
            <th scope="col">Running total</th>
            <th scope="col">Adds</th>
          </tr>
        </thead>
        <tbody>
          {sum.steps.map((step) => (
            <BarRow key={step.contribution.signal.name} step={step} sum={sum} />
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Score</th>
            <td>
              <Track sum={sum} from={0} to={sum.total} group="TOTAL" />
            </td>
            <td className="amount">
              <Amount amount={sum.total} sign="if negative" />
            </td>
          </tr>
        </tfoot>
      </table>
      {!sum.isScore && (
        <p role="alert">These values don't add up to the score {explanation.score}. Please report this.</p>
      )}
      {sum.silent.length > 0 && <Silent sum={sum} />}
    </section>
  );
}

function BarRow({ step, sum }: { step: Step; sum: Sum }) {
  const { signal, value } = step.contribution;
  return (
    <tr>
      <th scope="row">
        {signal.label}
        <span className="measured">
          {value.toPrecision(3)} ({signal.unit})
        </span>
      </th>
      <td>
        <Track sum={sum} from={step.from} to={step.to} group={signal.group} />
        <span className="visually-hidden">{inFull(step.to, "if negative")}</span>
      </td>
      <td className="amount">
        <Amount amount={step.amount} sign="always" />
      </td>
    </tr>
  );
}

/** The stretch from one running total to the next, on the scale of all of them. */
function Track({ sum, from, to, group }: { sum: Sum; from: number; to: number; group: string }) {
  const at = (total: number) => (100 * (total - sum.low)) / (sum.high - sum.low || 1);
  const [left, right] = [at(Math.min(from, to)), at(Math.max(from, to))];
  return (
    <svg className="track" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect className="rail" x="0" y="0" width="100" height="10" />
      <rect
        className={to < from ? "bar down" : "bar"}
        data-group={group}
        x={left}
        y="1.5"
        width={Math.max(right - left, 0.4)}
        height="7"
      />
      <line className="zero" x1={at(0)} x2={at(0)} y1="0" y2="10" />
      {group !== "TOTAL" && <line className="here" x1={at(to)} x2={at(to)} y1="0" y2="10" />}
    </svg>
  );
}

/** All six places, the last three quieter: they are there to be checked, not to be read. */
function Amount({ amount, sign }: { amount: number; sign: "always" | "if negative" }) {
  const digits = inFull(amount, sign);
  return (
    <>
      {digits.slice(0, -3)}
      <span className="fine">{digits.slice(-3)}</span>
    </>
  );
}

function Silent({ sum }: { sum: Sum }) {
  return (
    <details className="silent">
      <summary>
        {sum.silent.length === 1 ? "1 signal adds" : `${sum.silent.length} signals add`} nothing here
      </summary>
      <ul>
        {sum.silent.map(({ signal, switchedOff }) => (
          <li key={signal.name}>
            {signal.label}
            {switchedOff && " (turned off in your settings)"}
          </li>
        ))}
      </ul>
    </details>
  );
}
