/**
 * `npm run demo`: three domains on a loopback machine, each with its own daemon; real services in two of
 * them, unmodified clients in the others. Exits with 0 if every step succeeded. `-- --keep` stays
 * up for manual experiments.
 */
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../errors.js';
import { toDomId } from '../../ids.js';
import { MachineClient } from '../../loopback/client.js';
import { roundTrip, throughput } from './measure.js';
import { Processes, until } from './processes.js';

const compiled = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const XSOCK = compiled('../main.js');
const XSOCKD = compiled('../../main.js');
/** The Python programs stay where they were written: in the package, three folders up from dist/. */
const SCRIPTS = compiled('../../../../daemon/cli/demo');

const DOMAINS = [
  { domid: 0, name: 'Domain-0' },
  { domid: 1, name: 'web' },
  { domid: 2, name: 'admin' },
] as const;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
let steps = 0;
function step(text: string): void {
  steps += 1;
  say(`\n${steps}. ${text}`);
}

function configOf(dir: string, domid: number): string {
  // Guests find domain 0 automatically; two guests have to list each other.
  const peers =
    domid === 1 ? '[{domid: 0}, {domid: 2, name: admin}]' : '[{domid: 0}, {domid: 1, name: web}]';
  const exports = [
    `- {name: xend, port: 8005, target: "unix:${dir}/xend.sock", allow: [any]}`,
    `- {name: http, port: 80, target: "unix:${dir}/http.sock", allow: [any]}\n  - {name: echo, target: "unix:${dir}/echo.sock", allow: [admin]}`,
    '',
  ][domid];
  return `${domid === 0 ? '' : `peers: ${peers}\n`}drain-timeout: 1s\nexports:${exports ? `\n  ${exports}` : ' []'}\n`;
}

async function startServices(dir: string, processes: Processes): Promise<() => void> {
  processes.start('xmlrpc service', 'python3', [
    join(SCRIPTS, 'xmlrpc_service.py'),
    `${dir}/xend.sock`,
  ]);
  processes.start('http service', process.execPath, [
    '-e',
    `require('http').createServer((q, a) => a.end('the web server of domain 1 got ' + q.url + '\\n')).listen(${JSON.stringify(`${dir}/http.sock`)})`,
  ]);
  const echo = createServer(socket => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  }).listen(`${dir}/echo.sock`);
  await until('the services listen', async () => {
    await access(`${dir}/xend.sock`);
    await access(`${dir}/http.sock`);
  });
  return () => echo.close();
}

async function startDomains(dir: string, processes: Processes): Promise<void> {
  processes.start('loopback machine', process.execPath, [
    XSOCK,
    'loopback',
    'run',
    '--dir',
    `${dir}/m`,
  ]);
  const machine = new MachineClient(`${dir}/m`);
  await until('the loopback machine is up', () => machine.list());
  for (const { domid, name } of DOMAINS) {
    if (domid !== 0) {
      const id = toDomId(domid);
      await machine.introduce({ name, ...(id === undefined ? {} : { domid: id }) });
    }
    await writeFile(`${dir}/${domid}.yaml`, configOf(dir, domid));
    processes.start(`xsockd of domain ${domid}`, process.execPath, [
      XSOCKD,
      ...['--config', `${dir}/${domid}.yaml`, '--run', `${dir}/run${domid}`],
      ...['--hypervisor', 'loopback', '--loopback', `${dir}/m/domains/${domid}`],
    ]);
    say(`   domain ${domid} (${name}): its sockets will be in ${dir}/run${domid}/`);
  }
}

async function socketOf(path: string): Promise<string> {
  await until(`${path} appears`, () => access(path));
  return path;
}

function httpGet(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path, agent: false }, response => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += String(chunk);
      });
      response.once('end', () => resolve(body.trim()));
    }).once('error', reject);
  });
}

async function showCalls(dir: string, processes: Processes): Promise<void> {
  const client = join(SCRIPTS, 'xmlrpc_client.py');
  step(
    "By path: domain 2 calls domain 0's XML-RPC service, as xm called xend, with Python's own client.",
  );
  const xend = await socketOf(`${dir}/run2/0/xend`);
  say(
    `   ${xend}\n   -> ${await processes.run('xmlrpc client', 'python3', [client, xend, 'domain 2'])}`,
  );

  step('By port number: the same service from domain 1.');
  const port = await socketOf(`${dir}/run1/0/port/8005`);
  say(
    `   ${port}\n   -> ${await processes.run('xmlrpc client', 'python3', [client, port, 'domain 1'])}`,
  );

  step("By domain name, guest to guest: domain 2 fetches a page from domain 1's HTTP server.");
  const web = await socketOf(`${dir}/run2/by-name/web/http`);
  say(`   ${web}\n   -> ${await httpGet(web, '/index.html')}`);

  step('And domain 0 does the same, by its own path.');
  const http = await socketOf(`${dir}/run0/1/http`);
  say(`   ${http}\n   -> ${await httpGet(http, '/from-dom0')}`);
}

async function showPolicyAndSpeed(dir: string): Promise<void> {
  step("Default deny: domain 1 exports 'echo' to admin only.");
  const echo = await socketOf(`${dir}/run2/1/echo`);
  const seen = await access(`${dir}/run0/1/echo`).then(
    () => true,
    () => false,
  );
  if (seen) {
    throw new Error('domain 0 sees a service that it may not use');
  }
  say('   domain 2 (admin) sees it, domain 0 does not.');

  step('Speed, through the rings, between two Node programs on this machine:');
  say(
    `   throughput ${Math.round(await throughput(echo, 200e6))} MB/s in both directions together`,
  );
  say(`   round trip ${await roundTrip(echo, 2000)} us (median of 2000, 64 bytes)`);
}

function showHowToGoOn(dir: string): void {
  say(`\nEverything stays up until Ctrl-C. Try:
  curl --unix-socket ${dir}/run2/by-name/web/http http://localhost/hello
  node ${XSOCK} --run ${dir}/run2 status
  node ${XSOCK} --run ${dir}/run2 ls
  node ${XSOCK} --run ${dir}/run2 cat web echo
  XENSTORED_PATH=${dir}/m/domains/0/xenstored xenstore-ls -f /local/domain
  node ${XSOCK} loopback destroy --dir ${dir}/m 1`);
}

async function interrupted(): Promise<void> {
  await new Promise<void>(resolve => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

async function demo(keep: boolean): Promise<void> {
  const dir = await mkdtemp('/tmp/xsock-');
  const processes = new Processes();
  let stopServices = (): void => undefined;
  try {
    step('A loopback machine emulates Xen: three domains, each with a daemon of its own.');
    await startDomains(dir, processes);
    step('Services on plain UNIX sockets: XML-RPC in domain 0, HTTP and echo in domain 1.');
    stopServices = await startServices(dir, processes);
    await showCalls(dir, processes);
    await showPolicyAndSpeed(dir);
    if (keep) {
      showHowToGoOn(dir);
      await interrupted();
    }
    say('\nAll steps succeeded. Everything is stopped and removed again.');
  } catch (error) {
    say(`\nStep ${steps} failed: ${messageOf(error)}\n${processes.tails()}`);
    process.exitCode = 1;
  } finally {
    stopServices();
    await processes.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

await demo(process.argv.includes('--keep'));
