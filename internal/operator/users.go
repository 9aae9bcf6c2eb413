package operator

var userMethods []Method
