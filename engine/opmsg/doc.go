// Package opmsg puts an engine on a socket by the MongoDB wire protocol:
// OP_MSG with document sequences and checksums, OP_COMPRESSED with snappy, zlib
// and zstd, and OP_QUERY for the first hello of old drivers. It knows messages
// and connections; what commands mean is package engine's.
//
// Start at Server.Serve; message.go reads a message, reply.go writes one.
package opmsg
