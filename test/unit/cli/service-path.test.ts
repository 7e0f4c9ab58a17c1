import t from 'tap';
import { serviceSocketPath } from '../../../daemon/cli/service-path.js';

t.test('where services are', async t => {
  t.equal(serviceSocketPath('/run/xsock', '0', 'xend'), '/run/xsock/0/xend');
  t.equal(serviceSocketPath('/run/xsock', '17', '8005'), '/run/xsock/17/port/8005');
  t.equal(serviceSocketPath('/run/xsock', '17', '08005'), '/run/xsock/17/port/8005');
  t.equal(serviceSocketPath('r', 'web', 'http'), 'r/by-name/web/http');
  t.equal(serviceSocketPath('r', 'web', '80'), 'r/by-name/web/port/80');
});

t.test('nothing leads out of the run directory', async t => {
  for (const domain of ['..', '.', 'a/b', '../0', '', 'x\0y']) {
    t.throws(() => serviceSocketPath('/r', domain, 'x'), { code: 'USAGE' }, JSON.stringify(domain));
  }
  for (const service of ['..', '.', 'a/b', '', 'port', 'x\0y']) {
    t.throws(
      () => serviceSocketPath('/r', '0', service),
      { code: 'SERVICE_NAME' },
      JSON.stringify(service),
    );
  }
  for (const port of ['0', '65536', '99999999999999999999']) {
    t.throws(() => serviceSocketPath('/r', '0', port), { code: 'USAGE' }, port);
  }
});
