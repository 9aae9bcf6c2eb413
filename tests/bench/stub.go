package main

func (b *bench) small()           {}
func (b *bench) scale(s settings) {}
