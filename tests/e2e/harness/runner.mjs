// node runner.mjs AT_ONCE FILE…: node's own runner and reporter, which begin the files in the order that is given (`node --test` sorts them).
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const [atOnce, ...files] = process.argv.slice(2);
run({ files, concurrency: Number(atOnce) })
  .on('test:fail', () => {
    process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);
