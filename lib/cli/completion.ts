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

/** Words that arguments may be, and whether they may be files: by command and place. */
function argumentChoices(places: readonly Place[]): [pattern: string, words: string][] {
  return places.flatMap(({ path, command }) =>
    command.registeredArguments.flatMap((argument, index): [string, string][] =>
      argument.argChoices ? [[`'${path}/${index}'`, argument.argChoices.join(' ')]] : [],
    ),
  );
}

function fileArguments(places: readonly Place[]): string {
  return places
    .flatMap(({ path, command }) =>
      command.registeredArguments.flatMap((argument, index) =>
        argument.name() === 'file' ? [`'${path}/${index}'`] : [],
      ),
    )
    .join('|');
}

function bashScript(program: CliCommand, places: readonly Place[]): string {
  const known = places.map(({ path, command }) => {
    const options = optionsOf(program, command).flatMap(({ long }) => long ?? []);
    const all = [...command.commands.map((each) => each.name()), ...options, '--help'];
    return `    '${path}') known='${all.join(' ')}' ;;`;
  });
  const values = choices(places).map(([at, list]) => `    ${at}) values="${list}" ;;`);
  const first = argumentChoices(places).map(([at, list]) => `    ${at}) known="${list} $known" ;;`);
  return `# Completion of ipvs for bash: source <(ipvs completion bash)
_ipvs() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at='' count=0 known='' values='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
${walk(places)}
  done
  case "$at/\${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join('\n')}
  esac
  if [[ -n $values ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
    return
  fi
  case "$at" in
${known.join('\n')}
  esac
  case "$at/$count" in
${first.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$known" -- "$cur")
  case "$at/$count" in
    ${fileArguments(places)})
      mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") ;;
  esac
}
complete -F _ipvs ipvs
`;
}

function zshScript(program: CliCommand, places: readonly Place[]): string {
  const known = places.map(({ path, command }) => {
    const all = [
      ...command.commands.map((each) => described(each.name(), each.summary())),
      ...optionsOf(program, command).flatMap(({ long, description }) =>
        long === undefined ? [] : described(long, description),
      ),
      described('--help', 'explain a command'),
    ];
    return `    '${path}') known=(${all.join(' ')}) ;;`;
  });
  const values = choices(places).map(([at, list]) => `    ${at}) values=(${list}) ;;`);
  const first = argumentChoices(places).map(([at, list]) => `    ${at}) known=(${list} $known) ;;`);
  return `#compdef ipvs
# Completion of ipvs for zsh: source <(ipvs completion zsh), after compinit
_ipvs() {
  local at='' word
  local -a known values
  integer i count=0
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
${walk(places)}
  done
  case "$at/\${words[CURRENT - 1]}" in
${values.join('\n')}
  esac
  if (( \${#values} )); then
    compadd -- $values
    return
  fi
  case "$at" in
${known.join('\n')}
  esac
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

/** A word with what it means, as _describe takes it. */
function described(word: string, meaning: string): string {
  const text = meaning.replaceAll(/[\\:]/g, '\\$&').replaceAll("'", "'\\''");
  return `'${word}:${text}'`;
}
