/**
 * Query parameters -> options. They have the names of the options of `classify` and `embed`.
 *
 * @module
 */

import {
  checkValue,
  EMBEDDING_OPTIONS,
  findOption,
  fromText,
  type Table,
  type Values,
} from "../../options.ts";
import { CLASSIFY_PARAMETERS, EXPLAIN_PARAMETERS } from "../../options/service.ts";
import { HttpProblem } from "../server/problems.ts";

/** Options of a classification. */
export function classifyOptions(query: URLSearchParams): Values<typeof CLASSIFY_PARAMETERS> {
  return readOptions(query, CLASSIFY_PARAMETERS);
}

/** Options of an embedding. */
export function embedOptions(query: URLSearchParams): Values<typeof EMBEDDING_OPTIONS> {
  return readOptions(query, EMBEDDING_OPTIONS);
}

/** Options of an explanation. */
export function explainOptions(query: URLSearchParams): Values<typeof EXPLAIN_PARAMETERS> {
  return readOptions(query, EXPLAIN_PARAMETERS);
}

/**
 * Runs a check of options, whose errors are the client's.
 *
 * @throws {HttpProblem} `bad-option` for a RangeError or a TypeError
 */
export function checkingOptions<Value>(check: () => Value): Value {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new HttpProblem("bad-option", error.message, { cause: error });
  }
}

function readOptions<T extends Table>(query: URLSearchParams, table: T): Values<T> {
  return checkingOptions(() => {
    const names = [...new Set(query.keys())];
    return Object.fromEntries(names.map((name) => {
      const option = findOption(table, name, "parameter");
      const texts = query.getAll(name);
      if (option.kind !== "texts" && texts.length > 1) {
        throw new RangeError(`${name} must be given once: found it ${texts.length} times`);
      }
      // A list of texts is a parameter that is repeated: labels have commas in them.
      const value = option.kind === "texts" ? texts : fromText(option, texts[0]);
      checkValue(name, option, value);
      return [name, value];
    })) as Values<T>; // What is not in the table is refused, and what is is checked.
  });
}
