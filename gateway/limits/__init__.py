"""What one request may ask for, and one caller within a minute: found out before anything is validated or run.

In the order in which a request meets them: `clients` (how many connections a client holds), `connections` and `bounds`
(HTTP that is malformed, too large or too slow), the body (its size and the time it may take), `variables` (depth and
number of JSON values), `documents` (tokens, then the parsed document once and for all callers), `outline` (fields with
their fragments, each visited once), `shape` (depth, aliases, repeats), `cost` (what the schema says its fields cost,
times the lists they stand in, by the coerced variables that the operation runs with), `budget` (points a minute), and
the time that an operation may run.
"""
