// Package session is one client's connection as SQL sees it: settings, prepared
// statements, portals and cursors, the transaction, LISTEN. It implements
// wire.Handler over the language packages.
//
// A statement goes parse → analyze (session/analyze.go: a command for each kind)
// → portal → command.open → rows. What is planned (SELECT, DML) passes planner,
// translator and executor in query.go; what concerns the session is answered
// here, a file for each statement family; tables and roles are the catalog's,
// event subscriptions belong to EventStatements.
//
//	statement                              file
//	SELECT, VALUES, INSERT, UPDATE, …      query.go
//	BEGIN, COMMIT, ROLLBACK, SAVEPOINT …   transaction.go, savepoint.go
//	SET, RESET, SHOW, DISCARD              set.go, show*.go, discard.go
//	PREPARE, EXECUTE, DEALLOCATE           prepare.go
//	DECLARE, FETCH, MOVE, CLOSE            cursor.go, fetch.go
//	LISTEN, UNLISTEN, NOTIFY               listen.go
//	COPY                                   copy*.go
//	EXPLAIN                                explain.go
//	CREATE, ALTER, DROP, …                 ddl.go
//	CREATE EVENT_SUBSCRIPTION …            event.go
//	SUBSCRIBE                              subscribe.go
//
// Start reading at Handler, then Session.
package session
