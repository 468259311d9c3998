// What a shell needs to know to complete `ipvs …`, from the tree of commands.

import type { Option } from 'commander';
import type { CliCommand } from './command.js';

export type Shell = 'bash' | 'zsh';

/** A command, and the words that lead to it: 'add service'. */
interface Place {
  readonly path: string;
  readonly command: CliCommand;
}

function placesOf(command: CliCommand, path = ''): Place[] {
  const below = command.commands.flatMap((each) => placesOf(each, `${path} ${each.name()}`.trim()));
  return [{ path, command }, ...below];
}

/** The script that a shell reads. */
export function completionScript(program: CliCommand, shell: Shell): string {
  const places = placesOf(program);
  return shell === 'bash' ? bashScript(program, places) : zshScript(program, places);
}

// Both shells find the command in the words before the cursor, and count its arguments.
function walk(places: readonly Place[]): string {
  const steps = places.flatMap(({ path, command }) =>
    command.commands.map((each) => {
      const words = [each.name(), ...each.aliases()].map((word) => `'${path}/${word}'`);
      return `      ${words.join('|')}) at='${`${path} ${each.name()}`.trim()}' ;;`;
    }),
  );
  const values = optionsWithValue(places).map((option) => `*'/${option}'`);
  return [
    // What follows adm is ipvsadm's.
    `    [[ $at == '${ADM}' ]] && break`,
    '    case "$at/$word" in',
    ...steps,
    `      ${values.join('|')}) i=$((i + 1)) ;;`,
    "      *'/-'*) ;;",
    '      *) count=$((count + 1)) ;;',
    '    esac',
  ].join('\n');
}

function optionsWithValue(places: readonly Place[]): string[] {
  const options = places
    .flatMap(({ command }) => command.options)
    .filter(({ required }) => required);
  return [...new Set(options.flatMap(({ long, short }) => [long, short]))].filter(isWord);
}

function isWord(word: string | undefined): word is string {
  return word !== undefined;
}

function optionsOf(program: CliCommand, command: CliCommand): readonly Option[] {
  return command === program ? program.options : [...command.options, ...program.options];
}

/** What an option may be set to, where that is known, as a shell's pattern and words. */
function choices(places: readonly Place[]): [pattern: string, words: string][] {
  return places.flatMap(({ path, command }) =>
    command.options.flatMap((option): [string, string][] => {
      const names = [option.long, option.short].filter(isWord);
      const at = path === '' ? '*' : `'${path}'`;
      const pattern = names.map((name) => `${at}'/${name}'`).join('|');
      if (option.long === '--netns') return [[pattern, '$(ls /run/netns 2>/dev/null)']];
      return option.argChoices ? [[pattern, option.argChoices.join(' ')]] : [];
    }),
  );
}

/** Words that arguments may be: by command and place. */
function argumentChoices(places: readonly Place[]): [pattern: string, words: string][] {
  return places.flatMap(({ path, command }) =>
    command.registeredArguments.flatMap((argument, index): [string, string][] =>
      argument.argChoices ? [[`'${path}/${index}'`, argument.argChoices.join(' ')]] : [],
    ),
  );
}

// By how their names stand in help: <file>, <folder>.
const PATHS = /[<[](file|folder)[>\]]/;

/** Options whose value is a file or a folder, as a shell's pattern. */
function pathOptions(places: readonly Place[], which: 'file' | 'folder'): string {
  return places
    .flatMap(({ path, command }) =>
      command.options
        .filter(({ flags }) => PATHS.exec(flags)?.[1] === which)
        .flatMap(({ long, short }) => [long, short].filter(isWord))
        .map((name) => `'${path}/${name}'`),
    )
    .join('|');
}

/** Arguments that are files, as a shell's pattern. */
function fileArguments(places: readonly Place[]): string {
  return places
    .flatMap(({ path, command }) =>
      command.registeredArguments.flatMap((argument, index) =>
        argument.name() === 'file' ? [`'${path}/${index}'`] : [],
      ),
    )
    .join('|');
}

/** What may be offered where a command's own words are wanted, by the words before. */
function commandsBelow(places: readonly Place[]): [path: string, words: string][] {
  return places.flatMap(({ path, command }): [string, string][] =>
    command.commands.length === 0
      ? []
      : [[path, command.commands.map((each) => each.name()).join(' ')]],
  );
}

function bashScript(program: CliCommand, places: readonly Place[]): string {
  const known = places.map(({ path, command }) => {
    const options = optionsOf(program, command).flatMap(({ long }) => long ?? []);
    const all = [...command.commands.map((each) => each.name()), ...options, '--help'];
    return `    '${path}') known='${path === ADM ? '' : all.join(' ')}' ;;`;
  });
  // A space tells that there are some, also where there are none just now.
  const values = choices(places).map(([at, list]) => `    ${at}) values=" ${list}" ;;`);
  const first = argumentChoices(places).map(([at, list]) => `    ${at}) known="${list} $known" ;;`);
  const helped = commandsBelow(places).map(
    ([path, list]) => `    '${path}') known='${list}'${path === '' ? '" $known"' : ''} ;;`,
  );
  return `# Completion of ipvs for bash: source <(ipvs completion bash)
_ipvs() {
  local line=\${COMP_LINE:0:COMP_POINT} at='' helped='' count=0 known='' values='' cur last='' word i
  local -a words
  # Bash breaks words at colons and equals signs; here they are whole.
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  cur=\${words[-1]}
  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    word=\${words[i]}
    last=$word
${walk(places)}
  done
  # --format=json is --format and then json; bash replaces what is behind the equals sign.
  if [[ $cur == --*=* ]]; then
    last=\${cur%%=*}
    cur=\${cur#*=}
  fi
  case "$at/$last" in
${values.join('\n')}
    ${pathOptions(places, 'file')})
      _ipvs_reply -f
      return ;;
    ${pathOptions(places, 'folder')})
      _ipvs_reply -d
      return ;;
  esac
  if [[ -n $values ]]; then
    _ipvs_reply -W "$values"
    return
  fi
  case "$at" in
${known.join('\n')}
  esac
  if [[ $at == 'help' ]]; then
    for word in "\${words[@]:2:\${#words[@]} - 3}"; do
      helped="$helped\${helped:+ }$word"
    done
    case "$helped" in
${indent(helped)}
      *) known='' ;;
    esac
  fi
  case "$at/$count" in
${first.join('\n')}
  esac
  _ipvs_reply -W "$known"
  case "$at/$count" in
    ${fileArguments(places)}) _ipvs_reply -f ;;
  esac
}
# Adds what begins with the current word; bash replaces what is behind its last colon only.
_ipvs_reply() {
  local skip=\${cur%"\${cur##*:}"} each
  [[ $COMP_WORDBREAKS == *:* ]] || skip=''
  # Files are quoted, and folders go on.
  [[ $1 == -W ]] || compopt -o filenames 2>/dev/null
  while IFS= read -r each; do
    COMPREPLY+=("\${each#"$skip"}")
  done < <(compgen "$@" -- "$cur")
}
complete -F _ipvs ipvs
`;
}

function zshScript(program: CliCommand, places: readonly Place[]): string {
  const known = places.map(({ path, command }) => {
    if (path === ADM) return `    '${path}') return 1 ;;`;
    const all = [
      ...command.commands.map((each) => described(each.name(), each.summary())),
      ...optionsOf(program, command).flatMap(({ long, description }) =>
        long === undefined ? [] : described(long, description),
      ),
      described('--help', 'explain a command'),
    ];
    return `    '${path}') known=(${all.join(' ')}) ;;`;
  });
  const values = choices(places).map(([at, list]) => `    ${at}) values=(${list}) has=1 ;;`);
  const first = argumentChoices(places).map(([at, list]) => `    ${at}) known=(${list} $known) ;;`);
  const helped = commandsBelow(places).map(
    ([path, list]) => `    '${path}') known=(${list}${path === '' ? ' $known' : ''}) ;;`,
  );
  return `#compdef ipvs
# Completion of ipvs for zsh: source <(ipvs completion zsh), after compinit
_ipvs() {
  local at='' word last=\${words[CURRENT - 1]}
  local -a known values
  integer i count=0 has=0
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
${walk(places)}
  done
  # --format=json is --format and then json.
  if [[ $PREFIX == --*=* ]]; then
    last=\${PREFIX%%=*}
    compset -P '*='
  fi
  case "$at/$last" in
${values.join('\n')}
    ${pathOptions(places, 'file')})
      _files
      return ;;
    ${pathOptions(places, 'folder')})
      _files -/
      return ;;
  esac
  if (( has )); then
    compadd -- $values
    return
  fi
  case "$at" in
${known.join('\n')}
  esac
  if [[ $at == 'help' ]]; then
    case "\${(j: :)words[3,CURRENT - 1]}" in
${indent(helped)}
      *) known=() ;;
    esac
  fi
  case "$at/$count" in
${first.join('\n')}
  esac
  _describe -t commands ipvs known
  case "$at/$count" in
    ${fileArguments(places)}) _files ;;
  esac
}
compdef _ipvs ipvs
`;
}

// The command whose arguments are not of this tree.
const ADM = 'adm';

function indent(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join('\n');
}

/** A word with what it means, as _describe takes it. */
function described(word: string, meaning: string): string {
  const text = meaning.replaceAll(/[\\:]/g, '\\$&').replaceAll("'", "'\\''");
  return `'${word}:${text}'`;
}
