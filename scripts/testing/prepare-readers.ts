/** Brings independent readers of Hudi and the catalog of Iceberg here, before the tests that need them are waiting. */
import { hudiPython } from '../services/hudi-readers.ts'
import { icebergJars } from '../services/iceberg-rest.ts'

icebergJars()
hudiPython('0.5.0')
hudiPython('0.4.0')
