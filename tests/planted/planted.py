"""Plants known bugs, one at a time, in a copy of the tree, and wants each caught.

Each *.patch beside this file is one bug: a line that says what is wrong, a line
with the tests that must catch it, and a unified diff. A patch is caught when it
builds and one of its tests fails.

usage: planted.py [--check] [NAME...]
  --check  only whether each patch still applies
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SECONDS_MAX = 60  # for the tests of one patch


class Patch:

  def __init__(self, path):
    self.name = path.stem
    self.path = path
    lines = path.read_text().splitlines()
    self.what = lines[0].removeprefix('# ')
    self.tests = lines[1].removeprefix('# tests: ').split()

  def apply(self, tree, *flags):
    return subprocess.run(
        ['patch', '-p1', '--fuzz=2', '--silent', *flags, '-i', str(self.path)],
        cwd=tree, capture_output=True, text=True, check=False)


def patches(names):
  found = [Patch(path) for path in sorted(HERE.glob('*.patch'))]
  unknown = set(names) - {patch.name for patch in found}
  if unknown:
    sys.exit(f'planted: unknown: {", ".join(sorted(unknown))}')
  return [patch for patch in found if not names or patch.name in names]


def check(tree, chosen):
  """Returns the names of the patches that do not apply to `tree`."""
  broken = []
  for patch in chosen:
    tried = patch.apply(tree, '--dry-run', '--force')
    if tried.returncode != 0:
      broken.append(patch.name)
      print(f'{patch.name}: {tried.stdout}{tried.stderr}')
  return broken


def bazel(tree, base, command, *arguments):
  return subprocess.run(
      ['bazel', f'--output_base={base}', '--max_idle_secs=60', command,
       '--noshow_progress', '--ui_event_filters=-info', *arguments],
      cwd=tree, capture_output=True, text=True, check=False)


def run_tests(tree, base, patch):
  """Returns the seconds and the output of the tests when one failed."""
  started = time.monotonic()
  ran = bazel(tree, base, 'test', '--test_output=errors', '--keep_going',
              f'--test_timeout={SECONDS_MAX}', *patch.tests)
  seconds = time.monotonic() - started
  # 3: it was built, and a test failed.
  return seconds, ran.stdout + ran.stderr if ran.returncode == 3 else None


def failures(output):
  named = re.findall(r'\[  FAILED  \] ([\w./]+)', output)
  aborted = re.findall(r'^FAIL: (//\S+)', output, re.MULTILINE)
  return sorted(set(named)) or sorted(set(aborted)) or ['a test']


def plant(tree, base, patch):
  """Returns whether `patch` is caught."""
  if patch.apply(tree).returncode != 0:
    print(f'STALE     {patch.name}: does not apply')
    return False
  try:
    built = bazel(tree, base, 'build', *patch.tests)
    if built.returncode != 0:
      print(f'STALE     {patch.name}: does not build\n{built.stderr[-2000:]}')
      return False
    seconds, output = run_tests(tree, base, patch)
  finally:
    patch.apply(tree, '-R')
  if output is None:
    print(f'SURVIVED  {patch.name}: {patch.what}')
    return False
  print(f'caught    {patch.name} in {seconds:.0f} s by '
        f'{", ".join(failures(output)[:3])}', flush=True)
  return True


def main():
  arguments = sys.argv[1:]
  chosen = patches([name for name in arguments if name != '--check'])
  root = HERE.parent.parent
  if '--check' in arguments:
    return 1 if check(root, chosen) else 0
  cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME', '~/.cache'))
  base = cache.expanduser() / 'baton' / 'planted'
  with tempfile.TemporaryDirectory(prefix='baton-planted-') as folder:
    tree = pathlib.Path(folder) / 'tree'
    shutil.copytree(root, tree, symlinks=True,
                    ignore=shutil.ignore_patterns('.git', 'bazel-*'))
    results = [plant(tree, base, patch) for patch in chosen]
  print(f'{sum(results)} of {len(results)} caught')
  return 0 if all(results) else 1


if __name__ == '__main__':
  sys.exit(main())
