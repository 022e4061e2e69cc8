/*
 * AssemblyScript: numbers of protobuf messages.
 */

/** Place behind the number that `varint` read, or 0 when it has more than 32 bits. */
export let behind: usize = 0

/** Most numbers have one byte: that is worth no call. */
// @ts-ignore: AssemblyScript has decorators of functions, TypeScript has none
@inline
export function varint(at: usize): usize {
  const byte = <usize>load<u8>(at)
  if (byte < 0x80) {
    behind = at + 1
    return byte
  }
  return longVarint(at)
}

function longVarint(at: usize): usize {
  let value: usize = 0
  let shift: usize = 0
  for (let place = at; place < at + 5; place++) {
    const byte = <usize>load<u8>(place)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      // Of the fifth byte four bits are left.
      behind = place == at + 4 && byte > 15 ? 0 : place + 1
      return value
    }
    shift += 7
  }
  behind = 0
  return 0
}
