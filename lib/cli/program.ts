// All commands with their arguments, options and examples: what runs them, and what help, manual page
// and completion are made from.

import { Argument, Option } from 'commander';
import { CliCommand } from './command.js';
import type { Run } from './command.js';
import { usageError } from './failure.js';
import { lazy } from './lazy.js';
import { KEYS } from './render/keys.js';
import { SERVICE_KINDS } from './words.js';

/** All commands; without `run` for their descriptions only. */
export function makeProgram(run?: Run): CliCommand {
  const program = new CliCommand('ipvs')
    .summary("manage the Linux kernel's layer-4 load balancer")
    .description(
      "Manages the Linux kernel's layer-4 load balancer, IP Virtual Server (IPVS, LVS): virtual " +
        'services, and the real servers behind them.\n\nA virtual service is two words, for example ' +
        '"tcp 10.0.0.1:80", "udp [2001:db8::1]:53" or, for packets with a firewall mark, "mark 80" ' +
        '("mark6 80" for IPv6). A server is an address, with a port where it differs.',
    )
    .helpCommand(false)
    .usage('<command> [options]');
  if (run !== undefined) program.runIn(run);
  program
    .option('--json', 'print JSON, of a documented shape')
    .option('--netns <namespace>', 'work in that network namespace: a name, a path or pid:1234')
    .option('--deadline <time>', 'how long the kernel may take to answer (default: 10s)')
    .option('--no-color', 'no colours; NO_COLOR and FORCE_COLOR are respected too')
    .option('-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .example('ipvs add service tcp 10.0.0.1:80 --scheduler wrr', 'a virtual service')
    .example('ipvs add server tcp 10.0.0.1:80 10.0.0.5 10.0.0.6 --nat', 'two servers behind it')
    .example('ipvs list', 'what there is')
    .example('ipvs drain tcp 10.0.0.1:80 10.0.0.5', 'let the connections of a server end');
  addLooks(program.commandsGroup('Look:'));
  addChanges(program.commandsGroup('Change:'));
  return program;
}

function kind(): Argument {
  return new Argument('<kind>', 'what names the service').choices(SERVICE_KINDS);
}

function service(command: CliCommand): CliCommand {
  return command
    .addArgument(kind())
    .argument('<service>', 'its address and port, or its mark: 10.0.0.1:80, [2001:db8::1]:80, 80');
}

function servers(command: CliCommand): CliCommand {
  return service(command).argument(
    '<server...>',
    "10.0.0.5, 10.0.0.5:8080, [2001:db8::5]:8080; default: the service's port",
  );
}

function dryRun(command: CliCommand): CliCommand {
  return command.option('-n, --dry-run', 'say what would be changed, and change nothing');
}

function addLooks(program: CliCommand): void {
  someServices(program.sub('list', 'show services and their servers').alias('ls'))
    .example('ipvs list', 'everything')
    .example('ipvs list tcp 10.0.0.1:80', 'one service')
    .example('ipvs list --json | jq -r ".services[].scheduler"', 'for programs')
    .does(() => lazy.list().list);
  someServices(
    program.sub(
      'watch',
      'show what happens now, like top',
      'Shows connections, packets and bytes per second, again and again, until "q" is pressed. ' +
        'Where standard output is no terminal, and with --json, one view follows the other.\n\n' +
        `Keys: ${KEYS.map(([key, does]) => `${key} ${does}`).join('; ')}.`,
    ),
  )
    .option('--interval <time>', 'from one look to the next', '2s')
    .addOption(
      new Option('--sort <by>', 'which come first')
        .choices(['name', 'conns', 'active', 'in', 'out', 'packets'])
        .default('conns'),
    )
    .option('--count <number>', 'end after so many looks')
    .example('ipvs watch', 'everything, the busiest first')
    .example('ipvs watch --json --interval 10s', 'a line of JSON every ten seconds')
    .does(() => lazy.watch().watch);
  someServices(program.sub('stats', 'show counters and rates'))
    .option('--rates', 'per second rather than since the start; wide terminals have room for both')
    .option('--exact', 'every digit, rather than 1.2M')
    .example('ipvs stats --rates', 'how much happens per second')
    .does(() => lazy.stats().stats);
  program
    .sub('connections', 'show the table of connections')
    .alias('conns')
    .addOption(new Option('--protocol <name>', 'only those').choices(['tcp', 'udp', 'sctp']))
    .option('--client <address>', 'only those of a client: 192.0.2.1, 192.0.2.1:40000, :40000')
    .option('--service <address>', 'only those to a virtual address or port: 10.0.0.1:80, :80')
    .option('--mark <number>', 'only those of a firewall mark')
    .option('--server <address>', 'only those to a server')
    .option('--limit <number>', 'stop after so many')
    .option('--origin', 'say which came from another director')
    .example('ipvs connections --server 10.0.0.5', 'who is on a server')
    .example('ipvs connections --json | jq ".connections | length"', 'for programs; it may be long')
    .does(() => lazy.connections().connections);
  program
    .sub('doctor', 'find what is wrong here, and what to do about it')
    .example('ipvs doctor', 'exits with 1 where something is wrong')
    .does(() => lazy.probe().doctor);
  program
    .sub('probe', 'show what this kernel can do')
    .example('ipvs probe', 'schedulers, engines, families, tunnels')
    .does(() => lazy.probe().probe);
}

function someServices(command: CliCommand): CliCommand {
  return command
    .addArgument(new Argument('[kind]', 'only services of that kind').choices(SERVICE_KINDS))
    .argument('[service]', 'only that one');
}

function addChanges(program: CliCommand): void {
  addAdd(program.sub('add', 'add a service, or servers to a service'));
  addSet(program.sub('set', 'change a service or its servers; what is not named stays as it is'));
  addRemove(program.sub('remove', 'remove a service, or servers from a service').alias('rm'));
  const drain = service(
    program.sub(
      'drain',
      'let the connections of a server end',
      'Sets the weight of a server to 0, so that it gets no new connections, and waits until those ' +
        'that it has are over. Where the time is up first, the weight stays 0, and the exit status ' +
        'is 7.',
    ),
  ).argument('<server>', 'the server: 10.0.0.5, 10.0.0.5:8080, [2001:db8::5]:8080');
  dryRun(drain)
    .option('--within <time>', 'wait no longer than that', '15m')
    .option('--active', 'wait for established connections only')
    .option('--remove', 'remove the server afterwards')
    .example('ipvs drain tcp 10.0.0.1:80 10.0.0.5', 'wait up to 15 minutes')
    .example('ipvs drain tcp 10.0.0.1:80 10.0.0.5 --within 2m --remove', 'then take it away')
    .does(() => lazy.drain().drain);
  dryRun(program.sub('clear', 'remove everything, whoever made it'))
    .option('-y, --yes', 'really do so')
    .example('ipvs clear --dry-run', 'what would be removed')
    .does(() => lazy.clear().clear);
  addDirector(program);
  addTable(program.commandsGroup('Keep:'));
  addCluster(program.commandsGroup('Cluster:'));
  addAdm(program.commandsGroup('Scripts:'));
  addHelp(program.commandsGroup('Help:'));
}

function addTable(program: CliCommand): void {
  program
    .sub(
      'save',
      'write the table to a file, or to standard output',
      "Writes services and servers, timeouts and sync daemons. The format follows the file's name " +
        "(.json, .yaml, anything else: rules in ipvsadm's language, which can not say everything: " +
        'warnings tell what).',
    )
    .argument('[file]', 'where to; "-" is standard output')
    .addOption(new Option('--format <format>', 'how').choices(['rules', 'json', 'yaml']))
    .example('ipvs save /etc/ipvs.yaml', 'everything, in YAML')
    .example('ipvs save > rules', 'what "ipvsadm --restore" takes')
    .does(() => lazy.table().save);
  dryRun(
    program.sub(
      'restore',
      'make the table as a file says',
      'Brings the table to be as a file says: rules, JSON or YAML, whichever it is. Only what differs ' +
        'is changed, so what is in both is never missing. All of the file is checked first.',
    ),
  )
    .argument('[file]', 'what "ipvs save" or "ipvsadm --save" wrote; "-" is standard input')
    .option('--merge', 'what the file does not name stays as it is')
    .example('ipvs restore /etc/ipvs.yaml', 'the table is as in the file')
    .example('ipvs restore --dry-run rules', 'what would be changed')
    .does(() => lazy.table().restore);
  program
    .sub(
      'diff',
      'show what restoring a file would change',
      'Shows what restoring a file would change. The exit status is 0 where that is nothing, 1 ' +
        'otherwise.',
    )
    .argument('[file]', 'rules, JSON or YAML; "-" is standard input')
    .option('--merge', 'what the file does not name does not count')
    .example('ipvs diff /etc/ipvs.yaml', '+ would be added, ~ changed, - removed')
    .does(() => lazy.table().diff);
}

function addCluster(program: CliCommand): void {
  const cluster = program.sub(
    'cluster',
    'set up a node of an LVS cluster',
    'Sets up this machine as a node of an LVS cluster (director, real server, router), as a file ' +
      'describes it: addresses, routes, kernel settings, services and servers.',
  );
  const file = '/etc/ipvs/cluster.yaml';
  cluster.example(`ipvs cluster plan -f ${file} --node rs1`, 'what it would do; "apply" does it');
  node(
    cluster.sub(
      'plan',
      'say what would be changed',
      'Says what would be changed, and why. The exit status is 0 where that is nothing, 1 otherwise.',
    ),
  )
    .option('--shell', 'as a script that does the same')
    .example(`ipvs cluster plan -f ${file} --node rs1`, 'and why')
    .example(`ipvs cluster plan -f ${file} --node rs1 --shell`, 'to be read, or run elsewhere')
    .does(() => lazy.cluster().plan);
  dryRun(
    node(
      cluster.sub(
        'apply',
        'make the changes',
        'Makes the changes. What was there before is noted in a journal; repeated, it changes nothing.',
      ),
    ),
  )
    .example(`ipvs cluster apply -f ${file} --node rs1`, 'on the machine rs1')
    .does(() => lazy.cluster().apply);
  dryRun(
    node(
      cluster.sub(
        'check',
        'say what is wrong with the node',
        'Says what is wrong with the node, the worst first (E errors, W warnings, i information), and ' +
          'the lines that mend it. The exit status is 1 where there is an error or a warning.',
      ),
    ),
  )
    .option('--mend', 'make the changes that mend it; "revert" takes them back')
    .example(`ipvs cluster check -f ${file} --node lb1`, 'for monitoring, too')
    .does(() => lazy.cluster().check);
  dryRun(
    node(
      cluster.sub(
        'revert',
        'take the changes back',
        'Puts back what was there before. What somebody else has changed meanwhile is left as it is, ' +
          'and told; the exit status is 1 then.',
      ),
    ),
  )
    .example(`ipvs cluster revert -f ${file} --node rs1`, 'as if it had never been a node')
    .does(() => lazy.cluster().revert);
}

function node(command: CliCommand): CliCommand {
  return command
    .option('-f, --file <file>', "the cluster's description, YAML or JSON")
    .option('--node <name>', 'which of its nodes this machine is')
    .addOption(
      new Option('--state <state>', "a director's, rather than the description's").choices([
        'master',
        'backup',
      ]),
    )
    .option('--journal <folder>', 'where journals are (default: /run/ipvs)');
}

function addAdm(program: CliCommand): void {
  // run() hands its arguments on as they are; what is before it otherwise ends here.
  program
    .sub(
      'adm',
      'do what ipvsadm does',
      "Takes ipvsadm's arguments and does what ipvsadm 1.31 does, with the same output and exit " +
        'status; --strict, in front of them, refuses where that is dangerous. The same happens where ' +
        'the command is invoked as ipvsadm, ipvsadm-save or ipvsadm-restore: a symbolic link is enough.',
    )
    .argument('[argument...]', 'what ipvsadm takes')
    .example('ipvs adm -L -n --stats', 'a listing as scripts know it')
    .example('ln -s "$(command -v ipvs)" /usr/local/sbin/ipvsadm', 'for scripts that call ipvsadm')
    .does(() => () => {
      const hint = 'only --netns and --no-color may stand in front of it';
      throw usageError('adm comes first: ipvs adm, then what ipvsadm takes', hint);
    });
}

function addHelp(program: CliCommand): void {
  program
    .sub('help', 'explain a command')
    .argument('[command...]', 'which')
    .option('--man', 'write the manual page')
    .example('ipvs help add server', 'the same as: ipvs add server --help')
    .does(() => lazy.help().help);
  program
    .sub('completion', 'write what a shell needs to complete commands')
    .addArgument(new Argument('<shell>', 'which').choices(['bash', 'zsh']))
    .example('source <(ipvs completion bash)', 'for this shell; put it into ~/.bashrc for all')
    .does(() => lazy.help().completion);
}

function addDirector(program: CliCommand): void {
  dryRun(program.sub('zero', 'set the counters of a service, or all, to zero'))
    .addArgument(new Argument('[kind]', 'what names the service').choices(SERVICE_KINDS))
    .argument('[service]', 'its address and port, or its mark')
    .example('ipvs zero tcp 10.0.0.1:80', 'every other reader sees that too')
    .does(() => lazy.stats().zero);
  dryRun(program.sub('timeouts', 'show or set how long idle connections are remembered'))
    .option('--tcp <time>', 'established TCP connections')
    .option('--tcp-fin <time>', 'TCP connections after a FIN')
    .option('--udp <time>', 'UDP')
    .example('ipvs timeouts', 'show them')
    .example('ipvs timeouts --tcp 15m --udp 30s', 'what is not named stays as it is')
    .does(() => lazy.director().timeouts);
  const daemon = program
    .sub(
      'daemon',
      'show, start and stop the sync daemons',
      'Shows the sync daemons that run here. They tell another director about connections ' +
        '(master), or take them (backup).',
    )
    .example('ipvs daemon', 'which run, and how')
    .does(() => lazy.director().listDaemons);
  dryRun(daemon.sub('start', 'start a sync daemon'))
    .addArgument(role())
    .argument('<interface>', 'the multicast interface')
    .option('--sync-id <number>', '0 to 255 (default: 0)')
    .option('--group <address>', 'multicast address (default: 224.0.0.81)')
    .option('--port <number>', 'UDP port (default: 8848)')
    .option('--ttl <number>', 'multicast TTL (default: 1)')
    .option('--max-length <bytes>', 'the longest message (default: what the interface takes)')
    .example('ipvs daemon start master eth0 --sync-id 7', 'tell the backup')
    .does(() => lazy.director().startDaemon);
  dryRun(daemon.sub('stop', 'stop a sync daemon'))
    .addArgument(role())
    .example('ipvs daemon stop master', 'the backup is told nothing any more')
    .does(() => lazy.director().stopDaemon);
}

function role(): Argument {
  return new Argument('<role>', 'what it does').choices(['master', 'backup']);
}

function addAdd(add: CliCommand): void {
  add
    .example('ipvs add service tcp 10.0.0.1:80', 'a virtual service')
    .example('ipvs add server tcp 10.0.0.1:80 10.0.0.5', 'a server behind it');
  dryRun(serviceSettings(service(add.sub('service', 'add a virtual service')), true))
    .option('--ensure', 'where it is there already, set it to just this')
    .example('ipvs add service tcp 10.0.0.1:80', 'by weighted least connections (wlc)')
    .example(
      'ipvs add service tcp 10.0.0.1:any --persistent 10m --netmask 24',
      'every port; neighbours in a /24 stay together',
    )
    .example('ipvs add service mark6 80 --scheduler mh --flags mh-port', 'IPv6 packets of mark 80')
    .does(() => lazy.change().addService);
  dryRun(serverSettings(servers(add.sub('server', 'add real servers to a service')), true))
    .option('--ensure', 'where one is there already, set it to just this')
    .example('ipvs add server tcp 10.0.0.1:80 10.0.0.5', 'direct routing (VS/DR), weight 1')
    .example(
      'ipvs add server tcp 10.0.0.1:80 10.0.0.5:8080 --nat -w 3',
      'another port: VS/NAT only',
    )
    .example(
      'ipvs add server tcp 10.0.0.1:80 10.1.0.5 --tun --tunnel gue --tunnel-port 6080',
      'VS/TUN',
    )
    .does(() => lazy.change().addServer);
}

function addSet(set: CliCommand): void {
  set
    .example('ipvs set service tcp 10.0.0.1:80 --scheduler rr', 'how servers are chosen')
    .example('ipvs set server tcp 10.0.0.1:80 10.0.0.5 --weight 3', 'how much a server gets');
  dryRun(serviceSettings(service(set.sub('service', 'change a virtual service')), false))
    .option('--no-persistent', 'clients are not sticky any more')
    .option('--no-engine', 'no persistence engine any more')
    .option('--no-one-packet', 'connections count again')
    .example('ipvs set service tcp 10.0.0.1:80 --scheduler rr', 'all else stays as it is')
    .does(() => lazy.change().setService);
  dryRun(serverSettings(servers(set.sub('server', 'change real servers of a service')), false))
    .example(
      'ipvs set server tcp 10.0.0.1:80 10.0.0.5 --weight 0',
      'no new connections; says how many are left',
    )
    .example('ipvs set server tcp 10.0.0.1:80 10.0.0.5 10.0.0.6 --weight 10', 'two at once')
    .does(() => lazy.change().setServer);
}

function addRemove(remove: CliCommand): void {
  remove
    .example('ipvs remove service tcp 10.0.0.1:80', 'a service with its servers')
    .example('ipvs remove server tcp 10.0.0.1:80 10.0.0.5', 'a server of it');
  dryRun(service(remove.sub('service', 'remove a virtual service with its servers')))
    .option('--missing-ok', 'be content where it is not there')
    .example('ipvs remove service tcp 10.0.0.1:80', 'its servers go with it')
    .does(() => lazy.change().removeService);
  dryRun(
    servers(
      remove.sub(
        'server',
        'remove real servers from a service',
        'Removes real servers from a service. Their connections are cut; "ipvs drain" lets them end.',
      ),
    ),
  )
    .option('--missing-ok', 'be content where one is not there')
    .example('ipvs remove server tcp 10.0.0.1:80 10.0.0.5 10.0.0.6', 'two at once')
    .does(() => lazy.change().removeServer);
}

// What is left out has a default where something is new; where it is there, it stays as it is.

function serviceSettings(command: CliCommand, isNew: boolean): CliCommand {
  const time = isNew ? ' (default: 5m)' : '; without a time: the present one, or 5m';
  return command
    .option(
      '-s, --scheduler <name>',
      `rr, wrr, lc, wlc, sh, dh, mh, sed, nq, …${isNew ? ' (default: wlc)' : ''}`,
    )
    .option('-p, --persistent [time]', `sticky clients, for so long${time}`)
    .option('--netmask <mask>', 'clients that are equal under it count as one: 24, 255.255.255.0')
    .option('--engine <name>', 'know clients by something else: sip')
    .option('-o, --one-packet', 'schedule each packet for itself; udp and marks only')
    .option(
      '--flags <list>',
      'sh-fallback, sh-port, mh-fallback, mh-port, flag-1 to flag-3, or none',
    );
}

function serverSettings(command: CliCommand, isNew: boolean): CliCommand {
  return command
    .option('-w, --weight <number>', `0 is no new connections${isNew ? ' (default: 1)' : ''}`)
    .option('-g, --dr', `direct routing, on a shared link${isNew ? ' (the default)' : ''}`)
    .option('-m, --nat', 'masquerading; the only one that can change the port')
    .option('-i, --tun', 'through a tunnel')
    .option('--local', 'the director itself')
    .option('--bypass', 'on to the original address, for transparent caches')
    .option('-x, --upper-threshold <number>', 'no new connections from so many on; 0 is no limit')
    .option('-y, --lower-threshold <number>', 'again below so many; 0 is 3/4 of the upper one')
    .addOption(new Option('--tunnel <type>', 'how --tun wraps').choices(['ipip', 'gue', 'gre']))
    .option('--tunnel-port <port>', "gue: the server's UDP port")
    .addOption(
      new Option('--tunnel-checksum <kind>', 'gue, gre').choices(['none', 'csum', 'remcsum']),
    );
}
