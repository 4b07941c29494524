// A Redis of a test's own, in memory alone.
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { freePorts, Program, temporaryFolder } from './process.mjs';

const answers = (port) => new Promise((resolve) => {
  const s = net.connect(port, '127.0.0.1');
  s.setTimeout(2000, () => s.destroy());
  s.once('data', () => { s.destroy(); resolve(true); });
  s.once('close', () => resolve(false));
  s.once('error', () => resolve(false));
  s.write('PING\r\n');
});

export async function redisServer() {
  const { folder, remove } = temporaryFolder('redis');
  const port = await freePorts(1);
  writeFileSync(join(folder, 'redis.conf'), `bind 127.0.0.1\nport ${port}\nsave ""\nappendonly no\ndir ${folder}\n`);
  const program = new Program('redis', 'redis-server', [join(folder, 'redis.conf')], { folder });
  await program.ready('answers', () => answers(port));
  return {
    port, program, url: `redis://127.0.0.1:${port}/0`,
    async end() {
      program.signal('SIGKILL');
      await program.wait();
      remove();
    },
  };
}
