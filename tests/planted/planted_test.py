"""Each planted bug still applies, and says what it is and who catches it."""

import pathlib
import re
import unittest

from tests.planted import planted
from tests.support import cases

ROOT = pathlib.Path(planted.HERE).parent.parent
LABEL = re.compile(r'^//[\w/-]+:\w+$')


class PlantedTest(unittest.TestCase):

  def test_each_applies(self):
    self.assertEqual(planted.check(ROOT, planted.patches([])), [])

  def test_there_are_enough(self):
    self.assertGreaterEqual(len(planted.patches([])), 25)

  def test_each_names_its_tests(self):
    for patch in planted.patches([]):
      self.assertTrue(patch.what.endswith('.'), patch.name)
      for label in patch.tests:
        self.assertRegex(label, LABEL, patch.name)


if __name__ == '__main__':
  cases.main()
