import Crypto
import CryptoExtras
import CB2
import CZstd
import CSys
import VarveFormat
