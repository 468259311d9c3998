// A description written in YAML: errors say the line and the column as well.

import { DocumentError, TextDocument } from '../document.js';
import { propertyOf } from '../errors.js';
import { parseDescription } from './description.js';
import { ClusterError } from './errors.js';
import type { Model } from './model.js';

/** `file` is what errors call the text. */
export function parseYaml(text: string, file: string): Model {
  const document = read(text, file);
  try {
    return parseDescription(document.value);
  } catch (error) {
    const path = propertyOf(error);
    if (path === undefined) throw error;
    const place = document.placeOf(path);
    const { message } = error as Error;
    throw new ClusterError(`load ${file}`, {
      code: 'ERR_IPVS_DESCRIPTION',
      sentence: `${message}, in line ${place.line}, column ${place.column}`,
      cause: error,
      path,
      ...place,
    });
  }
}

function read(text: string, file: string): TextDocument {
  try {
    return new TextDocument(text);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    const { message, place, cause } = error;
    throw new ClusterError(`load ${file}`, {
      code: 'ERR_IPVS_DESCRIPTION',
      sentence: `it is not YAML: ${message}, in line ${place.line}, column ${place.column}`,
      cause,
      ...place,
    });
  }
}
