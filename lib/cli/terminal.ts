// What a command talks to, and what that can show: colours, letters, width.

/** Where output goes. Streams of a process are such; so is what a test collects. */
export interface Output {
  write(text: string): boolean;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on?(event: 'resize', listener: () => void): unknown;
  once?(event: 'drain', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

/** Where input comes from. */
export interface Input extends NodeJS.ReadableStream {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

/** The surroundings of a command. */
export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** How text may look. Styles end only what they began, so that they can be nested. */
export interface Style {
  readonly unicode: boolean;
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
  readonly inverse: Paint;
}

export type Paint = (text: string) => string;

function paint(colour: boolean, begin: number, end: number): Paint {
  if (!colour) return (text) => text;
  return (text) => (text === '' ? '' : `\x1b[${begin}m${text}\x1b[${end}m`);
}

export function makeStyle(colour: boolean, unicode: boolean): Style {
  return {
    unicode,
    bold: paint(colour, 1, 22),
    dim: paint(colour, 2, 22),
    red: paint(colour, 31, 39),
    green: paint(colour, 32, 39),
    yellow: paint(colour, 33, 39),
    cyan: paint(colour, 36, 39),
    inverse: paint(colour, 7, 27),
  };
}

/** The style that suits an output. What the user says counts most, then what the terminal can. */
export function styleOf(output: Output, env: Io['env'], wanted?: boolean): Style {
  return makeStyle(wanted ?? hasColours(output, env), hasUnicode(env));
}

function hasColours(output: Output, env: Io['env']): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: terminal } = env;
  if (force !== undefined) return force !== '0' && force !== 'false';
  if (no !== undefined && no !== '') return false; // as no-color.org has it
  return output.isTTY === true && terminal !== 'dumb';
}

// Where the locale does not promise more, ASCII.
function hasUnicode({ LC_ALL, LC_CTYPE, LANG }: Io['env']): boolean {
  const locale = [LC_ALL, LC_CTYPE, LANG].find((each) => each !== undefined && each !== '');
  return /utf-?8/i.test(locale ?? '');
}

/** A line's length. What is not for eyes is never cut or wrapped. */
export function widthOf(output: Output): number {
  return output.isTTY === true ? columnsOf(output) : Infinity;
}

/** Some terminals say 0 where they do not know. */
export function columnsOf({ columns = 0 }: Output): number {
  return columns > 0 ? columns : 80;
}
