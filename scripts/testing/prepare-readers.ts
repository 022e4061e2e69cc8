/** Makes the virtual environments of the independent Hudi readers, before the tests that need them are waiting. */
import { hudiPython } from '../services/hudi-readers.ts'

hudiPython('0.5.0')
hudiPython('0.4.0')
