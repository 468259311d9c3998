{
  "targets": [
    {
      "target_name": "ipvs",
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "native/core/announce.cc",
            "native/core/attribute.cc",
            "native/core/command_batch.cc",
            "native/core/connection.cc",
            "native/core/connection_table.cc",
            "native/core/dialogue.cc",
            "native/core/director.cc",
            "native/core/discovery.cc",
            "native/core/file_lock.cc",
            "native/core/fou.cc",
            "native/core/generic.cc",
            "native/core/interface_address.cc",
            "native/core/ipvs.cc",
            "native/core/link.cc",
            "native/core/listener.cc",
            "native/core/message.cc",
            "native/core/neighbour.cc",
            "native/core/netns.cc",
            "native/core/netns_file.cc",
            "native/core/network.cc",
            "native/core/nftables.cc",
            "native/core/route.cc",
            "native/core/rule.cc",
            "native/core/socket.cc",
            "native/core/table.cc",
            "native/core/thread.cc",
            "native/addon/addon.cc",
            "native/addon/channel.cc",
            "native/addon/connection_list.cc",
            "native/addon/convert.cc",
            "native/addon/crew.cc",
            "native/addon/glibc_compat.cc",
            "native/addon/network_channel.cc",
            "native/addon/network_values.cc",
            "native/addon/records.cc",
            "native/addon/request.cc",
            "native/addon/rows.cc"
          ],
          "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": [
            "NAPI_VERSION=8",
            "NAPI_DISABLE_CPP_EXCEPTIONS",
            # An answer may come while its worker thread is being terminated: nothing can be called or
            # thrown there any more, and that is no reason to abort the process.
            "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
          ],
          "cflags": ["-Wall", "-Wextra", "-Wno-unused-parameter"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-frtti"],
          "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections"],
          # The C++ runtime is linked in, so that a prebuilt file needs nothing but a libc.
          "ldflags": ["-static-libstdc++", "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections",
            # Memory that is kept for the next call is kept once: not lost with each worker thread
            # that loaded the addon and ends.
            "-Wl,-z,nodelete"]
        }, {
          # Elsewhere there is no IPVS to talk to, and nothing to build.
          "type": "none"
        }]
      ]
    }
  ]
}
