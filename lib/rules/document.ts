// A table as JSON or YAML: its mistakes have file, line and column, as those of rules have.

import { DocumentError, TextDocument } from '../document.js';
import { propertyOf } from '../errors.js';
import { RulesError } from './error.js';

export class TableDocument {
  readonly file: string;
  readonly #document: TextDocument;

  /** Throws a RulesError for what is neither. */
  constructor(text: string, file: string) {
    this.file = file;
    try {
      this.#document = new TextDocument(text);
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      const { line, column } = error.place;
      throw new RulesError(file, line, column, error.message, error.cause);
    }
  }

  /** What it says, not checked. */
  get value(): unknown {
    return this.#document.value;
  }

  /** What a check of the value threw, as a RulesError where it is about a part of the table. */
  placed(error: unknown): unknown {
    const path = propertyOf(error);
    if (path === undefined || !/^table\b/.test(path)) return error;
    const { line, column } = this.#document.placeOf(path.replace(/^table\.?/, ''));
    // The text has no word 'table'.
    const reason = (error as Error).message.replace(/'table\./, "'");
    return new RulesError(this.file, line, column, reason, error);
  }
}
