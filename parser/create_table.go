package parser

import "weir/parser/ast"

// createTable goes on at TABLE: a list of elements, AS query or EXECUTE.
func (p *Parser) createTable(t *token, persistence ast.Persistence) ast.Statement {
	p.next()
	s := &ast.CreateTable{Persistence: persistence, IfNotExists: p.ifNotExists(), Name: p.name()}
	switch {
	case p.accept("of"):
		return p.skipTo(t, "CREATE TABLE ... OF")
	case p.atOp("(") && p.atColumnNames():
		return p.createTableAs(t, s, p.columns())
	case !p.atOp("(") && !p.at("partition", "of"):
		return p.createTableAs(t, s, nil)
	}
	if p.at("partition", "of") {
		p.partitionOf(s)
	} else {
		s.Elements = p.tableElements()
	}
	if s.Bound == nil && p.accept("inherits") {
		p.expectOp("(")
		s.Inherits = p.names()
		p.expectOp(")")
	}
	if p.at("partition") {
		s.Partition = p.partitionBy()
	}
	s.Method, s.Options = p.tableMethod(), p.tableOptions()
	s.OnCommit, s.Tablespace = p.onCommit(), p.tablespace()
	s.Stmt = p.stmt(t)
	return s
}

// atColumnNames tells (a, b) AS SELECT … from a list of columns with types.
func (p *Parser) atColumnNames() bool {
	n := 1
	for p.peek(n).isColID() {
		switch {
		case p.peek(n + 1).op(","):
			n += 2
		case p.peek(n + 1).op(")"):
			return true
		default:
			return false
		}
	}
	return false
}

// createTableAs goes on after the name and the columns.
func (p *Parser) createTableAs(t *token, c *ast.CreateTable, columns []ast.Ident) ast.Statement {
	s := &ast.CreateTableAs{Persistence: c.Persistence, IfNotExists: c.IfNotExists, Name: c.Name, Columns: columns}
	s.Method, s.Options = p.tableMethod(), p.tableOptions()
	s.OnCommit, s.Tablespace = p.onCommit(), p.tablespace()
	p.expect("as")
	from := p.tok
	if p.at("execute") {
		s.Query = p.placed(from, p.execute())
	} else {
		s.Query = p.placed(from, p.query())
	}
	s.NoData = p.noData()
	s.Stmt = p.stmt(t)
	return s
}

// noData reads [WITH [NO] DATA]
func (p *Parser) noData() bool {
	if !p.accept("with") {
		return false
	}
	no := p.accept("no")
	p.expect("data")
	return no
}

// tableMethod reads [USING method]
func (p *Parser) tableMethod() ast.Ident {
	if p.accept("using") {
		return p.colID()
	}
	return ast.Ident{}
}

// tableOptions reads [WITH (…) | WITHOUT OIDS]
func (p *Parser) tableOptions() []*ast.Option {
	if p.accept("without", "oids") {
		return nil
	}
	return p.withOptions()
}

func (p *Parser) onCommit() ast.OnCommit {
	if !p.at("on", "commit") {
		return ast.OnCommitDefault
	}
	p.next()
	p.next()
	switch p.expectAny("preserve", "delete", "drop") {
	case "preserve":
		p.expect("rows")
		return ast.OnCommitPreserve
	case "delete":
		p.expect("rows")
		return ast.OnCommitDelete
	}
	return ast.OnCommitDrop
}

func (p *Parser) tablespace() ast.Ident {
	if p.accept("tablespace") {
		return p.colID()
	}
	return ast.Ident{}
}

// partitionBy reads PARTITION BY method (elem, …)
func (p *Parser) partitionBy() *ast.PartitionBy {
	t := p.next()
	p.expect("by")
	b := &ast.PartitionBy{Method: p.colID(), Elems: p.indexElems()}
	b.Span = p.span(t)
	return b
}

// tableElements reads (element, …)
func (p *Parser) tableElements() []ast.TableElement {
	p.expectOp("(")
	defer p.inside()()
	var list []ast.TableElement
	for !p.atOp(")") {
		list = append(list, p.tableElement())
		if !p.acceptOp(",") {
			break
		}
		if p.atOp(")") {
			p.fail()
		}
	}
	p.expectOp(")")
	return list
}

func (p *Parser) tableElement() ast.TableElement {
	switch {
	case p.at("like"):
		return p.likeClause()
	case p.atTableConstraint():
		return p.tableConstraint()
	}
	return p.columnDef()
}

// columnDef reads name type [STORAGE s] [COMPRESSION c] [constraint …]
func (p *Parser) columnDef() *ast.ColumnDef {
	t := p.tok
	d := &ast.ColumnDef{Name: p.colID(), Type: p.typeName()}
	if p.accept("storage") {
		d.Storage = p.colID()
	}
	if p.accept("compression") {
		d.Compression = p.ident(p.tok.isColID() || p.at("default"))
	}
	p.columnConstraints(d)
	d.Span = p.span(t)
	return d
}

func (p *Parser) columnConstraints(d *ast.ColumnDef) {
	for {
		if p.accept("collate") {
			d.Collation = p.name()
			continue
		}
		c := p.columnConstraint()
		if c == nil {
			return
		}
		d.Constraints = append(d.Constraints, c)
	}
}

// likeClause reads LIKE table [INCLUDING | EXCLUDING what …]
func (p *Parser) likeClause() *ast.LikeClause {
	t := p.next()
	l := &ast.LikeClause{Table: p.name()}
	for p.atAny("including", "excluding") {
		from := p.next()
		what := p.tok
		p.expectAny("comments", "compression", "constraints", "defaults", "generated", "identity", "indexes", "statistics", "storage", "all")
		yes := &ast.BoolLiteral{Value: from.name == "including", Span: ast.Span{Start: from.pos, Stop: from.stop}}
		l.Options = append(l.Options, &ast.Option{Name: makeIdent(what), Value: yes, Span: p.span(from)})
	}
	l.Span = p.span(t)
	return l
}
