package parser

import "weir/parser/ast"

// statement reads one statement. Adding one: its node in ast, its case here,
// its function in a file of its name, its line in testdata.
func (p *Parser) statement() ast.Statement {
	p.enter()
	defer p.leave()
	if p.atOp("(") {
		return p.query()
	}
	if p.tok.kind != tokenWord {
		p.fail()
	}
	if s := p.queryOrDML(); s != nil {
		return s
	}
	if s := p.definition(); s != nil {
		return s
	}
	if s := p.transactional(); s != nil {
		return s
	}
	if s := p.sessional(); s != nil {
		return s
	}
	if s := p.eventual(); s != nil {
		return s
	}
	return p.refused()
}

func (p *Parser) queryOrDML() ast.Statement {
	t := p.tok
	switch t.name {
	case "select", "values", "table":
		return p.query()
	case "with", "insert", "update", "delete", "merge":
		return p.preparable()
	case "truncate":
		return p.truncate()
	case "copy":
		return p.copy()
	}
	return nil
}

func (p *Parser) definition() ast.Statement {
	switch p.tok.name {
	case "create":
		return p.create()
	case "alter":
		return p.alter()
	case "drop":
		return p.drop()
	case "comment":
		return p.comment()
	case "grant":
		return p.grant()
	case "revoke":
		return p.grant()
	case "refresh":
		return p.refresh()
	case "analyze", "analyse":
		return p.analyze()
	case "vacuum":
		return p.vacuum()
	}
	return nil
}

func (p *Parser) transactional() ast.Statement {
	switch p.tok.name {
	case "begin", "start":
		return p.begin()
	case "commit", "end":
		return p.commit()
	case "rollback", "abort":
		return p.rollback()
	case "savepoint":
		return p.savepoint()
	case "release":
		return p.release()
	case "lock":
		return p.lock()
	}
	return nil
}

func (p *Parser) sessional() ast.Statement {
	switch p.tok.name {
	case "set":
		return p.set()
	case "show":
		return p.show()
	case "reset":
		return p.reset()
	case "discard":
		return p.discard()
	case "prepare":
		return p.prepare()
	case "execute":
		return p.execute()
	case "deallocate":
		return p.deallocate()
	case "declare":
		return p.declare()
	case "fetch", "move":
		return p.fetch()
	case "close":
		return p.closeCursor()
	case "listen":
		return p.listen()
	case "unlisten":
		return p.unlisten()
	case "notify":
		return p.notify()
	case "explain":
		return p.explain()
	case "describe", "desc":
		return p.describe()
	case "use":
		return p.use()
	case "do":
		return p.do()
	case "call":
		return p.callProcedure()
	case "checkpoint":
		t := p.next()
		return &ast.Checkpoint{Stmt: p.stmt(t)}
	}
	return nil
}

func (p *Parser) eventual() ast.Statement {
	switch p.tok.name {
	case "pause":
		return p.pause()
	case "resume":
		return p.resume()
	case "rewind":
		return p.rewind()
	case "backfill":
		return p.backfill()
	case "redrive":
		return p.deadLetters(p.next())
	case "acknowledge":
		return p.acknowledge()
	case "test":
		return p.test()
	case "rotate":
		return p.rotate()
	case "subscribe":
		return p.subscribe()
	}
	return nil
}

// refused reads statements of PostgreSQL that are known but not supported.
func (p *Parser) refused() ast.Statement {
	switch p.tok.name {
	case "reindex", "cluster", "reassign", "load", "import", "security":
		return p.skipTo(p.tok, upper(p.tok.name))
	}
	p.fail()
	return nil
}

// skipTo passes over the rest of a statement that is not supported.
func (p *Parser) skipTo(t *token, command string) ast.Statement {
	for !p.atEnd() {
		p.next()
	}
	return &ast.Unsupported{Command: command, Stmt: p.stmt(t)}
}
