/**
 * Raw vchan with programs that know nothing of xsock: Debian's vchan-socket-proxy and a C program with
 * Debian's libxenvchan, in domu2, whose daemon is stopped meanwhile; in domu1 ours, in both roles.
 */
import type { Test } from 'tap';
import type { Domain } from '../domain.js';
import { type Domains, startDaemon } from './domains.js';
import { ECHO_TARGET } from './services.js';

/** One answer for each connection, then an end-of-file: bytes up to a newline come back reversed. */
const ONE_SHOT = 'read line; echo "$line" | rev';

/** A client whose input ends only when `answer` has ended: stock programs take that end for all ends. */
function held(question: string, path: string, answer: string): string {
  const client = `socat -t 0 - UNIX-CONNECT:${path}`;
  return `rm -f /tmp/hold; mkfifo /tmp/hold
    (${question}; read _ < /tmp/hold) | ${client} | (${answer}; echo > /tmp/hold)`;
}

function roundTrip(path: string, bytes: number): string {
  return `head -c ${bytes} /dev/urandom > /tmp/sent
    ${held('cat /tmp/sent', path, `head -c ${bytes} > /tmp/got`)}
    cmp /tmp/sent /tmp/got`;
}

export async function vchanCases(t: Test, domains: Domains): Promise<void> {
  const { domu1, domu2 } = domains;
  await domu2.stopDaemon();
  await domu1.stopDaemon();
  await domu1.ask('start', {
    name: 'oneshot',
    argv: ['socat', 'UNIX-LISTEN:/tmp/oneshot,fork', `SYSTEM:${ONE_SHOT}`],
  });
  await domu1.ask('appears', { path: '/tmp/oneshot' });
  const offers = (path: string): string => `vchan: [{ peer: ${domu2.domid}, path: ${path} }]`;
  const door = (service: string): string =>
    `{ peer: ${domu2.domid}, service: ${service}, vchan: data/vchan/${service} }`;
  await domu1.startDaemon(`exports:
  - { name: echo, target: "unix:${ECHO_TARGET}", ${offers('data/vchan/echo')} }
  - { name: oneshot, target: "unix:/tmp/oneshot", ${offers('data/vchan/oneshot')} }
imports: [${door('stock')}, ${door('proxy')}]
`);
  await t.test('our server, a C client of libxenvchan, five times', t => cClients(t, domu1, domu2));
  await t.test('our client, a C server of libxenvchan, five times', t => cServer(t, domu1, domu2));
  await t.test('our server, vchan-socket-proxy as client', t => proxyClient(t, domu1, domu2));
  await t.test('our client, vchan-socket-proxy as server', t => proxyServer(t, domu1, domu2));
  await domu1.stopDaemon();
  await startDaemon(domains, domu1);
  await startDaemon(domains, domu2);
}

async function cClients(t: Test, domu1: Domain, domu2: Domain): Promise<void> {
  const path = `/local/domain/${domu1.domid}/data/vchan/echo`;
  await domu2.ask('node', { path: `${path}/ring-ref` });
  for (let i = 0; i < 5; i++) {
    const said = await domu2.run([
      ...['/opt/test/vchan-echo', 'client', String(domu1.domid), path, '200000'],
    ]);
    t.equal(said, '200000 bytes came back\n');
  }
}

async function cServer(t: Test, domu1: Domain, domu2: Domain): Promise<void> {
  const path = `/local/domain/${domu2.domid}/data/vchan/stock`;
  await domu2.ask('start', {
    name: 'vchan-echo',
    argv: ['/opt/test/vchan-echo', 'server', String(domu1.domid), path, '5'],
  });
  for (let i = 0; i < 5; i++) {
    await domu1.run(['sh', '-c', roundTrip(`/run/xsock/vchan/${domu2.domid}/stock`, 100_000)]);
    t.pass(`stream ${i + 1}: the same 100000 bytes came back`);
  }
  t.same(await domu2.ask('ended', { name: 'vchan-echo' }), { code: 0, signal: null });
}

/** It takes the end of a program's input for the end of everything: the question is left open. */
async function proxyClient(t: Test, domu1: Domain, domu2: Domain): Promise<void> {
  const path = `/local/domain/${domu1.domid}/data/vchan/oneshot`;
  await domu2.ask('start', {
    name: 'proxy',
    argv: [
      ...['vchan-socket-proxy', '-m', 'client', '-v', String(domu1.domid), path, '/tmp/proxied'],
    ],
  });
  await domu2.ask('appears', { path: '/tmp/proxied' });
  for (let i = 0; i < 5; i++) {
    const said = await domu2.run([...['sh', '-c', held(`echo hello${i}`, '/tmp/proxied', 'cat')]]);
    t.equal(said, `${i}olleh\n`, 'the first and the last bytes, and the end');
  }
  await domu2.ask('signal', { name: 'proxy', signal: 'SIGKILL' });
  await domu2.ask('ended', { name: 'proxy' });
}

async function proxyServer(t: Test, domu1: Domain, domu2: Domain): Promise<void> {
  const path = `/local/domain/${domu2.domid}/data/vchan/proxy`;
  await domu2.ask('start', {
    name: 'proxy2',
    argv: ['vchan-socket-proxy', '-m', 'server', '-v', String(domu1.domid), path, ECHO_TARGET],
  });
  for (let i = 0; i < 3; i++) {
    await domu1.run(['sh', '-c', roundTrip(`/run/xsock/vchan/${domu2.domid}/proxy`, 50_000)]);
    t.pass(`stream ${i + 1}: the same 50000 bytes came back`);
  }
  await domu2.ask('signal', { name: 'proxy2', signal: 'SIGKILL' });
  await domu2.ask('ended', { name: 'proxy2' });
}
